"""Operations that a spool can keep: a document with the files it needs, and how it is sent."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import IO, Any, ClassVar, Final

import google_crc32c
import grpc
from google.protobuf.message import Message

from strongroom import errors
from strongroom.client.connection import Connection, typed
from strongroom.client.local_files import in_worker, opened_in_worker
from strongroom.client.project_saves import ArchiveSave, TreeSave
from strongroom.client.project_trees import Tree, TreeFile, blocks_of
from strongroom.client.retries import Deadline
from strongroom.client.sources import Source
from strongroom.client.spooling.disk import Draft
from strongroom.client.uploads import Progress, Upload
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.metadata.v1.project_pb2 import Project
from strongroom.storage.v1 import batch_pb2, direct_pb2, project_pb2

BODY: Final = "body"
Call = batch_pb2.DeleteFileRequest | project_pb2.DeleteProjectRequest | project_pb2.RollbackProjectRequest
#: Beginning of the key of a waiting file, until the service assigns one.
PREFIX: Final = "spool/"


class Operation(ABC):
    """One change. ``send`` needs only what ``keep`` has written."""

    #: The name in documents.
    kind: ClassVar[str]
    #: Whether its source can be read twice.
    repeatable: bool = True

    @property
    def is_idempotent(self) -> bool:
        """Whether the service carries it out only once per request id."""
        return self.done_before() is None

    @property
    @abstractmethod
    def request(self) -> Message:
        """The request, which contains everything except the bytes."""

    @property
    @abstractmethod
    def title(self) -> str:
        """A title for people: ``upload notes.txt``."""

    @abstractmethod
    async def direct(self, connection: Connection) -> Message:
        """Carry it out now. Raises StrongroomError."""

    async def keep(self, draft: Draft) -> Mapping[str, Any]:
        """Write its bytes to the draft. Return further members of its document."""
        del draft  # most have no bytes
        return {}

    def done_before(self) -> Message | None:
        """Return the answer to assume if an earlier attempt has carried it out.

        None if the service remembers it under the request id.
        """
        return None


@dataclass
class UploadOperation(Operation):
    """The upload of a file of any family."""

    kind = "upload"

    spec: target_pb2.UploadSpec
    source: Source
    on_progress: Progress | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        self.repeatable = self.source.repeatable

    @property
    def request(self) -> Message:
        return self.spec

    @property
    def title(self) -> str:
        family = self.spec.target.WhichOneof("target") or "file"
        return f"upload {self.spec.target.path.path if family == 'path' else self.spec.filename or family}"

    async def direct(self, connection: Connection) -> file_pb2.File:
        return await Upload(connection, self.spec, self.source, self.on_progress, self.timeout).file()

    async def keep(self, draft: Draft) -> Mapping[str, Any]:
        size, crc32c = await _write(draft, BODY, self.source.blocks())
        if self.spec.HasField("size_bytes") and size != self.spec.size_bytes:
            raise errors.SizeMismatch(
                f"the source was to give {self.spec.size_bytes} bytes, but gives {size}",
                metadata={"expected": str(self.spec.size_bytes), "actual": str(size)},
            )
        return {"size": size, "crc32c": crc32c}


@dataclass
class TreeOperation(Operation):
    """The save of a project, whole or partial."""

    kind = "save"

    spec: project_pb2.SaveProjectSpec
    tree: Tree
    removed: tuple[str, ...]
    unchanged: frozenset[str] = frozenset()
    on_progress: Progress | None = None
    timeout: float | None = None

    @property
    def request(self) -> Message:
        return self.spec

    @property
    def slug(self) -> str:
        """The project's slug."""
        return self.spec.slug

    @property
    def title(self) -> str:
        return f"{'patch' if self.spec.partial else 'save'} project {self.spec.slug}"

    async def direct(self, connection: Connection) -> Message:
        save = TreeSave(
            connection,
            self.spec,
            self.tree,
            self.unchanged,
            self.removed,
            on_progress=self.on_progress,
            timeout=self.timeout,
        )
        return await save.response()

    async def keep(self, draft: Draft) -> Mapping[str, Any]:
        """Write every file, including unchanged ones, because another version may be the newest when it is
        sent.
        """
        described = []
        for number, file in enumerate(self.tree.files, 1):
            await _write(draft, f"file-{number}", _blocks(file))
            described.append(
                {
                    "path": file.path,
                    "size": file.size,
                    "sha256": file.sha256.hex(),
                    "executable": file.executable,
                }
            )
        return {"files": described, "removed": list(self.removed)}


@dataclass
class ArchiveOperation(Operation):
    """The save of a project from a ZIP."""

    kind = "archive"

    spec: project_pb2.SaveProjectSpec
    source: Source
    on_progress: Progress | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        self.repeatable = self.source.repeatable

    @property
    def request(self) -> Message:
        return self.spec

    @property
    def slug(self) -> str:
        """The project's slug."""
        return self.spec.slug

    @property
    def title(self) -> str:
        return f"save project {self.spec.slug} from a ZIP"

    async def direct(self, connection: Connection) -> Message:
        save = ArchiveSave(
            connection, self.spec, self.source, on_progress=self.on_progress, timeout=self.timeout
        )
        return await save.response()

    async def keep(self, draft: Draft) -> Mapping[str, Any]:
        size, _ = await _write(draft, BODY, self.source.blocks())
        return {"size": size}


@dataclass
class ImportOperation(Operation):
    """The import of a generation from its provider."""

    kind = "import"

    spec: direct_pb2.ImportFromUrlRequest
    on_progress: Progress | None = None
    timeout: float | None = None

    @property
    def request(self) -> Message:
        return self.spec

    @property
    def title(self) -> str:
        return f"import {self.spec.url[:200]}"

    async def direct(self, connection: Connection) -> file_pb2.File:
        deadline = Deadline(self.timeout)
        attempts = connection.attempts(deadline)
        while True:
            try:
                return await self._once(connection, deadline)
            except errors.StrongroomError as error:
                await attempts.pause(error)

    async def _once(self, connection: Connection, deadline: Deadline) -> file_pb2.File:
        metadata = await connection.metadata()
        call = connection.transfers.ImportFromUrl(self.spec, metadata=metadata, timeout=deadline.remaining())
        try:
            async for message in call:
                if message.HasField("file"):
                    return message.file
                seen = message.progress
                if self.on_progress is not None:
                    total = seen.total_bytes if seen.HasField("total_bytes") else None
                    self.on_progress(seen.received_bytes, total)
        except grpc.aio.AioRpcError as error:
            raise typed(error, metadata) from error
        finally:
            call.cancel()
        raise errors.ServiceUnavailable("the import ended without a file and without an error")


@dataclass
class CallOperation(Operation):
    """A change by one call without bytes."""

    kind = "call"

    call: Call
    timeout: float | None = None
    #: Other names of the file that is deleted.
    names: tuple[str, ...] = ()

    async def keep(self, draft: Draft) -> Mapping[str, Any]:
        del draft
        return {"names": list(self.names)}

    @property
    def slug(self) -> str:
        """The project's slug; empty if it isn't about one."""
        return "" if isinstance(self.call, batch_pb2.DeleteFileRequest) else self.call.slug

    @property
    def request(self) -> Message:
        return self.call

    @property
    def title(self) -> str:
        if isinstance(self.call, batch_pb2.DeleteFileRequest):
            return f"delete {self.call.key or self.call.file_id}"
        if isinstance(self.call, project_pb2.RollbackProjectRequest):
            return f"roll project {self.call.slug} back to version {self.call.version}"
        return f"delete project {self.call.slug}"

    def done_before(self) -> Message | None:
        """Deletions have no request id: if the file doesn't exist, an earlier attempt may have deleted it."""
        if isinstance(self.call, project_pb2.RollbackProjectRequest):
            return None
        if isinstance(self.call, batch_pb2.DeleteFileRequest):
            file = file_pb2.File(id=self.call.file_id, key=self.call.key)
            return batch_pb2.DeleteFileResponse(file=file)
        return project_pb2.DeleteProjectResponse(project=Project(slug=self.slug))

    async def direct(self, connection: Connection) -> Message:
        method: Any = connection.transfers.RollbackProject
        if isinstance(self.call, batch_pb2.DeleteFileRequest):
            method = connection.storage.DeleteFile
        elif isinstance(self.call, project_pb2.DeleteProjectRequest):
            method = connection.transfers.DeleteProject
        response: Message = await connection.unary(
            method, self.call, timeout=self.timeout, safe=self.is_idempotent
        )
        return response


async def _write(draft: Draft, name: str, blocks: AsyncGenerator[bytes]) -> tuple[int, int]:
    """Write a file durably and return its size and CRC-32C."""
    size = crc32c = 0
    file = await opened_in_worker(IO.close, draft.create, name)
    try:
        async with aclosing(blocks):
            async for block in blocks:
                await in_worker(draft.write, file, block)
                crc32c = google_crc32c.extend(crc32c, block)
                size += len(block)
        await in_worker(draft.finish, file)
    finally:
        file.close()
    return size, crc32c


async def _blocks(file: TreeFile) -> AsyncGenerator[bytes]:
    """Yield the blocks of a file in a tree, and check that it is unchanged since it was read."""
    sha256, blocks = hashlib.sha256(), blocks_of(file)
    while (block := await asyncio.to_thread(next, blocks, b"")) != b"":
        sha256.update(block)
        yield block
    if sha256.digest() != file.sha256:
        raise errors.ChecksumMismatch(f"{file.path} was changed while it was read")
