"""The parts of metadata_service that a save needs, in memory, with the rules that its caller can observe."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence

from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.objectstore.interface import ObjectStore
from storage_service.projects.settler import KeySettler
from strongroom.errors import StrongroomError, UploadSuperseded
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import Blob, BlobKind
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.target_pb2 import UploadSpec


class FakeSaves(ProjectSaves):
    """``base``: SHA-256 by path of the newest version. ``failing``: steps that raise."""

    def __init__(self, base: dict[str, bytes] | None = None) -> None:
        self.base = base or {}
        self.failing: dict[str, StrongroomError] = {}
        self.reserved: list[list[str]] = []
        self.recorded: list[pb.ManifestEntry] = []
        self.commits: list[pb.CommitSaveRequest] = []
        self.abandoned: list[str] = []
        self.replay: pb.CommitSaveResponse | None = None
        self.lease = 30.0
        self.lost = False

    async def begin(self, request: pb.BeginSaveRequest) -> pb.BeginSaveResponse:
        self._fail("begin")
        if self.replay is not None:
            return pb.BeginSaveResponse(replay=self.replay, owner_id="ada")
        return pb.BeginSaveResponse(save_id=str(uuid.uuid4()), owner_id="ada", base_version=1)

    async def reserve(
        self,
        owner_id: str,
        save_id: str,
        files: Sequence[pb.FileReservation],
        kind: BlobKind.ValueType,
        storage_class: str = "",
    ) -> Sequence[Blob]:
        await asyncio.sleep(0)
        self._fail("reserve")
        self.reserved.append([file.path for file in files])
        return [
            Blob() if self.base.get(file.path) == file.sha256 else _blob(owner_id, file, kind, storage_class)
            for file in files
        ]

    async def record(self, owner_id: str, save_id: str, entries: Sequence[pb.ManifestEntry]) -> None:
        self._fail("record")
        self.recorded.extend(entries)

    async def renew(self, owner_id: str, save_id: str) -> float:
        if self.lost:
            raise UploadSuperseded("lost")
        return self.lease

    async def commit_save(self, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        self.commits.append(request)
        self._fail("commit")
        return pb.CommitSaveResponse(content_sha256=request.content_sha256)

    async def abandon_save(self, owner_id: str, save_id: str) -> None:
        self.abandoned.append(save_id)

    def _fail(self, step: str) -> None:
        error = self.failing.get(step)
        if error is not None:
            raise error


def _blob(owner_id: str, file: pb.FileReservation, kind: BlobKind.ValueType, storage_class: str) -> Blob:
    blob_id = str(uuid.uuid4())
    return Blob(
        id=blob_id,
        owner_id=owner_id,
        epoch=1,
        kind=kind,
        key=f"projects/{owner_id}/site/{file.path}",
        content_type=file.content_type,
        object_metadata={"strongroom-attempt": blob_id},
        spec=UploadSpec(storage_class=storage_class),
    )


class NoReader(ProjectReader):
    """A reader without projects."""

    def __init__(self) -> None:
        """No service is called."""

    async def project_file(
        self, slug: str, version: int, path: str, user_id: str, *, front_end: bool = False
    ) -> ProjectFile:
        raise AssertionError("nothing is to be read")

    async def project_files(
        self, slug: str, version: int, user_id: str
    ) -> AsyncIterator[tuple[int, Sequence[ProjectFile]]]:
        nothing: list[tuple[int, Sequence[ProjectFile]]] = []
        for page in nothing:
            yield page


class Settled(KeySettler):
    """Records requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def settle_project(self, owner_id: str, slug: str) -> None:
        self.asked.append((owner_id, slug))


async def keys_of(store: ObjectStore) -> list[str]:
    """Return the keys of all versions and markers, in order."""
    return [version.key async for page in store.list_versions("") for version in page]
