"""The use cases of metadata_service on a real database, with shortcuts for tests."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from metadata_service.attempts.cleaning import CleaningWork
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.groups import Groups
from metadata_service.attempts.reservation import Reserver
from metadata_service.attempts.steps import AttemptSteps
from metadata_service.blobs.rows import Handle
from metadata_service.config import Limits, PoolOptions, Timing
from metadata_service.db.database import Database, Pool
from metadata_service.db.paging import PageTokens
from metadata_service.db.pool import make_pool
from metadata_service.files.deletion import Deleter, Deletion
from metadata_service.files.edits import Editor
from metadata_service.files.folders import Folders
from metadata_service.files.queries import FileQueries
from metadata_service.files.trash import Trash
from metadata_service.sessions import housekeeping
from metadata_service.sessions.ending import keep_partial
from metadata_service.usage.queries import UsageQueries
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import (
    BeginCompletionRequest,
    BlobHandle,
    CommitRequest,
    CommitResponse,
    ReserveRequest,
    ReserveResponse,
)
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.databases import Logins

CRC = 0x89ABCDEF
SINGLE = blob_pb2.BLOB_KIND_SINGLE
MULTIPART = blob_pb2.BLOB_KIND_MULTIPART


@dataclass
class World:
    """The use cases of one service, and its logins."""

    logins: Logins
    pool: Pool
    database: Database
    timing: Timing
    limits: Limits
    groups: Groups | None = None

    @property
    def reserving(self) -> Reserver:
        return Reserver(self.database, self.timing, self.limits, self.groups)

    @property
    def attempts(self) -> AttemptSteps:
        return AttemptSteps(self.database, self.timing, self.limits)

    @property
    def committing(self) -> Committer:
        return Committer(self.database, self.timing, self.limits, keep_partial, self.groups)

    @property
    def deleting(self) -> Deleter:
        return Deleter(self.database, self.timing, self.limits)

    @property
    def cleaning(self) -> CleaningWork:
        return CleaningWork(self.database, self.timing, housekeeping.run)

    @property
    def queries(self) -> FileQueries:
        return FileQueries(self.database, PageTokens(b"s" * 32))

    @property
    def editing(self) -> Editor:
        return Editor(self.database)

    @property
    def trash(self) -> Trash:
        return Trash(self.database, PageTokens(b"s" * 32), self.timing)

    @property
    def folders(self) -> Folders:
        return Folders(self.database, self.queries, PageTokens(b"s" * 32), self.timing)

    @property
    def usage(self) -> UsageQueries:
        return UsageQueries(self.database, self.limits)

    def but(self, **changes: Any) -> World:
        """The same world with other durations or limits: `but(lease=1.0)`, `but(limits=Limits(bytes=10))`."""
        limits = changes.pop("limits", self.limits)
        groups = Groups(self.database, limits) if self.groups is not None else None
        return World(self.logins, self.pool, self.database, replace(self.timing, **changes), limits, groups)

    async def reserve(
        self,
        owner: str,
        spec: UploadSpec | None = None,
        *,
        kind: blob_pb2.BlobKind.ValueType = SINGLE,
        **more: Any,
    ) -> ReserveResponse:
        """T1; the fingerprint is that of the spec without its request id."""
        spec = spec or plain_spec()
        request = ReserveRequest(spec=spec, kind=kind, fingerprint=fingerprint(spec), **more)
        return await self.reserving.reserve(owner, request)

    async def attempt(self, owner: str, spec: UploadSpec | None = None, **more: Any) -> blob_pb2.Blob:
        """T1 that must return an attempt."""
        response = await self.reserve(owner, spec, **more)
        assert response.WhichOneof("outcome") == "blob"
        return response.blob

    async def completing(self, owner: str, spec: UploadSpec | None = None, size: int = 10) -> blob_pb2.Blob:
        """A multipart attempt after T1, T2, T3."""
        blob = await self.attempt(owner, spec, kind=MULTIPART, part_size_bytes=8)
        await self.attempts.record_multipart(handle(blob), "mpu-1")
        await self.begin_completion(blob, size)
        return blob

    async def begin_completion(self, blob: blob_pb2.Blob, size: int = 10, crc32c: int = CRC) -> None:
        """T3 with parts of 8 bytes."""
        whole, rest = divmod(size, 8)
        sizes = [8] * whole + [rest] * bool(rest)
        parts = [
            blob_pb2.Part(number=n, etag=f"e{n}", size_bytes=part, crc32c=n)
            for n, part in enumerate(sizes, 1)
        ]
        request = BeginCompletionRequest(blob=proto_handle(blob), parts=parts, size_bytes=size, crc32c=crc32c)
        await self.attempts.begin_completion(handle(blob), request)

    async def commit(self, blob: blob_pb2.Blob, size: int = 10, **more: Any) -> CommitResponse:
        """T4."""
        values = {"crc32c": CRC, "etag": f"etag-{blob.id}", **more}
        return await self.committing.commit(CommitRequest(blob=proto_handle(blob), size_bytes=size, **values))

    async def upload(self, owner: str, spec: UploadSpec | None = None, size: int = 10) -> File:
        """T1 and T4."""
        return (await self.commit(await self.attempt(owner, spec), size)).file

    async def delete(self, owner: str, file: File, **more: Any) -> File:
        """D1 by id."""
        return await self.deleting.delete(Deletion(owner, file_id=uuid.UUID(file.id), **more))

    def state(self, blob: blob_pb2.Blob) -> int | None:
        """The blob's state; None if it is purged."""
        rows = self.logins.rows("SELECT state FROM blobs WHERE id = %s", blob.id)
        return int(rows[0][0]) if rows else None

    def run_out(self, blob: blob_pb2.Blob) -> None:
        """End the attempt's lease."""
        self.logins.change(
            "UPDATE blobs SET lease_expires_at = now() - interval '1 s' WHERE id = %s", blob.id
        )


@asynccontextmanager
async def make_world(
    logins: Logins, timing: Timing | None = None, limits: Limits | None = None, **options: Any
) -> AsyncIterator[World]:
    """A world with its own pool."""
    async with make_pool(logins.app, PoolOptions(**options)) as pool:
        database, limits = Database(pool), limits or Limits()
        yield World(logins, pool, database, timing or Timing(), limits, Groups(database, limits))


def plain_spec(request_id: str = "", **more: Any) -> UploadSpec:
    """The spec of a text file in uploads/."""
    spec = UploadSpec(filename="notes.txt", content_type="text/plain", request_id=request_id, **more)
    if not spec.HasField("target"):
        spec.target.file.SetInParent()
    return spec


def path_spec(path: str = "a/b.txt", **more: Any) -> UploadSpec:
    """The spec of a file at a path."""
    spec = UploadSpec(**{"filename": "b.txt", "content_type": "text/plain", **more})
    spec.target.path.path = path
    return spec


def fingerprint(spec: UploadSpec) -> bytes:
    """The same spec gives the same fingerprint."""
    copy = UploadSpec()
    copy.CopyFrom(spec)
    copy.ClearField("request_id")
    return hashlib.sha256(copy.SerializeToString(deterministic=True)).digest()


def handle(blob: blob_pb2.Blob) -> Handle:
    """The handle that use cases take."""
    return Handle.of(proto_handle(blob))


def proto_handle(blob: blob_pb2.Blob) -> BlobHandle:
    """The handle as protobuf."""
    return BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)
