"""Saves on a real database with simulated bytes: shortcuts for tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from metadata_service.db.paging import PageTokens
from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.endings import abandon
from metadata_service.projects.keys import ProjectKeys
from metadata_service.projects.queries import ProjectQueries
from metadata_service.projects.removal import ProjectRemover
from metadata_service.projects.staging import SaveStager
from metadata_service.projects.start import SaveStarter
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_pb2 import ProjectFile
from tests.integration.metadata_service.world import World


@dataclass
class Projects:
    """The use cases of one world, for one owner and mostly one slug."""

    world: World
    owner: str
    slug: str = "site"

    @property
    def writing(self) -> SaveStager:
        return SaveStager(self.world.database, self.world.timing, self.world.limits)

    @property
    def queries(self) -> ProjectQueries:
        return ProjectQueries(self.world.database, PageTokens(b"s" * 32))

    @property
    def keys(self) -> ProjectKeys:
        return ProjectKeys(self.world.database, self.world.timing)

    def but(self, **changes: Any) -> Projects:
        """The same use cases with other durations or limits."""
        return Projects(self.world.but(**changes), self.owner, self.slug)

    async def begin(self, **more: Any) -> pb.BeginSaveResponse:
        request = pb.BeginSaveRequest(slug=self.slug, **more)
        return await SaveStarter(self.world.database, self.world.timing).begin(self.owner, request)

    async def reserve(self, save_id: str, files: dict[str, bytes], **more: Any) -> list[blob_pb2.Blob]:
        asked = [
            pb.FileReservation(
                path=path, content_type="text/plain", size_bytes=len(body), sha256=sha256(body), **more
            )
            for path, body in files.items()
        ]
        request = pb.ReserveFilesRequest(save_id=save_id, owner_id=self.owner, files=asked)
        return await self.writing.reserve(request)

    async def commit(
        self, save_id: str, written: list[pb.ManifestEntry], count: int, **more: Any
    ) -> pb.CommitSaveResponse:
        request = pb.CommitSaveRequest(
            save_id=save_id, owner_id=self.owner, entries=written, file_count=count, **more
        )
        return await SaveCommitter(self.world.database, self.world.timing).commit(request)

    async def save(self, files: dict[str, bytes], **more: Any) -> pb.CommitSaveResponse:
        """Run a save from begin to commit. The version id of a file is `v-{blob id}`."""
        begun = await self.begin(**more)
        blobs = await self.reserve(begun.save_id, files)
        written = entries(blobs, files)
        return await self.commit(begun.save_id, written, len(files))

    async def abandon(self, save_id: str) -> None:
        await abandon(self.world.database, self.owner, UUID(save_id))

    async def remove(self) -> None:
        await ProjectRemover(self.world.database, self.world.timing).remove(self.owner, self.slug)

    async def manifest(self, version: int = 0) -> dict[str, ProjectFile]:
        files, _, token = await self.queries.files(self.owner, self.slug, version, 0, "")
        assert token == ""
        return {file.path: file for file in files}

    async def content(self, version: int = 0) -> dict[str, bytes]:
        """SHA-256 by path."""
        return {path: file.sha256 for path, file in (await self.manifest(version)).items()}

    def blob_states(self) -> list[int]:
        rows = self.world.logins.rows(
            "SELECT state FROM blobs WHERE owner_id = %s ORDER BY state", self.owner
        )
        return [row[0] for row in rows]

    def due_keys(self) -> list[str]:
        rows = self.world.logins.rows(
            "SELECT path FROM project_keys WHERE owner_id = %s ORDER BY path", self.owner
        )
        return [row[0] for row in rows]

    def counts(self, *tables: str) -> list[int]:
        return [
            self.world.logins.rows(f"SELECT count(*) FROM {table} WHERE owner_id = %s", self.owner)[0][0]
            for table in tables
        ]

    def usage(self) -> tuple[int, int]:
        """Bytes and files."""
        ((size, count),) = self.world.logins.rows(
            "SELECT coalesce(sum(used_bytes), 0)::bigint, coalesce(sum(file_count), 0)::bigint FROM usage"
            " WHERE owner_id = %s",
            self.owner,
        )
        return size, count

    def let_lease_run_out(self) -> None:
        self.world.logins.change(
            "UPDATE project_saves SET lease_expires_at = now() - interval '1 s' WHERE owner_id = %s",
            self.owner,
        )


def entries(blobs: list[blob_pb2.Blob], files: dict[str, bytes]) -> list[pb.ManifestEntry]:
    """The entries of written files, as if S3 had answered."""
    return [
        pb.ManifestEntry(
            blob_id=blob.id,
            epoch=blob.epoch,
            file=ProjectFile(version_id=f"v-{blob.id}", size_bytes=len(body), crc32c=7, etag="e"),
        )
        for blob, body in zip(blobs, files.values(), strict=True)
        if blob.id
    ]


def sha256(body: bytes) -> bytes:
    """The digest, 32 bytes."""
    return hashlib.sha256(body).digest()


def hashes(files: dict[str, bytes]) -> dict[str, bytes]:
    """SHA-256 by path, like `Projects.content`."""
    return {path: sha256(body) for path, body in files.items()}
