"""Saves a project: one client stream of all its files, or of a ZIP."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from strongroom import errors
from strongroom.client.connection import Connection
from strongroom.client.project_trees import Tree, TreeFile, blocks_of
from strongroom.client.project_values import Project, ProjectVersion, SavedProject
from strongroom.client.reading import in_thread
from strongroom.client.retries import Deadline
from strongroom.client.sources import Source
from strongroom.client.streams import SourceFailed, exchange
from strongroom.client.uploads import Progress
from strongroom.storage.v1 import project_pb2

if TYPE_CHECKING:
    import grpc

    Response = project_pb2.SaveProjectResponse | project_pb2.SaveProjectArchiveResponse


class _Save(ABC):
    """One save with all its attempts, which ``spec.request_id`` makes one request to the service."""

    def __init__(
        self,
        connection: Connection,
        spec: project_pb2.SaveProjectSpec,
        on_progress: Progress | None,
        timeout: float | None,
    ) -> None:
        self._connection = connection
        self._spec = spec
        self._on_progress = on_progress
        self._deadline = Deadline(timeout)

    async def run(self) -> SavedProject:
        """Save the project.

        :raises StrongroomError: typed by the reason. Errors of reading are raised unchanged.
        """
        return saved_by(await self.response())

    async def response(self) -> Response:
        """Like ``run``, but return the service's response."""
        attempts = self._connection.attempts(self._deadline)
        while True:
            metadata = await self._connection.metadata()
            call = self._call(metadata=metadata, timeout=self._deadline.remaining())
            try:
                answer: Response = await exchange(call, metadata, self._messages())
            except errors.StrongroomError as error:
                if self._is_spent():
                    error.add_note(
                        "not tried again: bytes of the source were already read; give a path, or bytes"
                    )
                    raise
                await attempts.pause(error)
            except SourceFailed as failed:
                raise failed.cause  # noqa: B904 - the cause has its own traceback
            else:
                return answer

    @abstractmethod
    def _call(self, **options: Any) -> grpc.aio.StreamUnaryCall[Any, Any]:
        """Begin the RPC."""

    @abstractmethod
    def _messages(self) -> AsyncGenerator[bytes]:
        """Yield its serialized messages from the first one."""

    def _is_spent(self) -> bool:
        """Whether bytes were read from a source that can't be read again."""
        return False

    def _report(self, done: int, total: int | None) -> None:
        if self._on_progress is not None:
            self._on_progress(done, total)


class TreeSave(_Save):
    """Saves a tree. Files of ``unchanged`` paths are named but not sent. ``removed``: for partial saves."""

    def __init__(
        self,
        connection: Connection,
        spec: project_pb2.SaveProjectSpec,
        tree: Tree,
        unchanged: Collection[str] = (),
        removed: Collection[str] = (),
        *,
        on_progress: Progress | None,
        timeout: float | None,
    ) -> None:
        super().__init__(connection, spec, on_progress, timeout)
        self._tree = tree
        self._unchanged = unchanged
        self._removed = removed

    def _call(self, **options: Any) -> grpc.aio.StreamUnaryCall[Any, Any]:
        return self._connection.transfers.SaveProject(**options)

    async def _messages(self) -> AsyncGenerator[bytes]:
        """Yield the spec, each file's header and data, the end. Progress counts the bytes sent."""
        request = project_pb2.SaveProjectRequest
        changed = [file for file in self._tree.files if file.path not in self._unchanged]
        done, total = 0, sum(file.size for file in changed)
        yield request(spec=self._spec).SerializeToString()
        self._report(done, total)
        for file in self._tree.files:
            unchanged = file.path in self._unchanged
            yield request(file=_head(file, unchanged=unchanged)).SerializeToString()
            if unchanged:
                continue
            async with aclosing(_content(file)) as blocks:
                async for block in blocks:
                    yield request(data=block).SerializeToString()
                    done += len(block)
                    self._report(done, total)
        for path in self._removed:
            head = project_pb2.SaveProjectFile(path=path, removed=True)
            yield request(file=head).SerializeToString()
        yield request(finish_write=True).SerializeToString()


class ArchiveSave(_Save):
    """Saves the content of a ZIP."""

    def __init__(
        self,
        connection: Connection,
        spec: project_pb2.SaveProjectSpec,
        source: Source,
        *,
        on_progress: Progress | None,
        timeout: float | None,
    ) -> None:
        super().__init__(connection, spec, on_progress, timeout)
        self._source = source
        self._began = False

    def _call(self, **options: Any) -> grpc.aio.StreamUnaryCall[Any, Any]:
        return self._connection.transfers.SaveProjectArchive(**options)

    async def _messages(self) -> AsyncGenerator[bytes]:
        request, done = project_pb2.SaveProjectArchiveRequest, 0
        yield request(spec=self._spec).SerializeToString()
        self._began = True
        async with aclosing(self._source.blocks()) as blocks:
            async for block in blocks:
                yield request(data=block).SerializeToString()
                done += len(block)
                self._report(done, self._source.size)
        yield request(finish_write=True).SerializeToString()

    def _is_spent(self) -> bool:
        return self._began and not self._source.repeatable


def saved_by(response: Response) -> SavedProject:
    """Return the value for the response to a save."""
    project = Project.from_proto(response.project)
    return SavedProject(project, ProjectVersion.from_proto(response.version))


def _head(file: TreeFile, *, unchanged: bool) -> project_pb2.SaveProjectFile:
    return project_pb2.SaveProjectFile(
        path=file.path,
        size_bytes=file.size,
        sha256=file.sha256,
        unchanged=unchanged,
        executable=file.executable,
    )


async def _content(file: TreeFile) -> AsyncGenerator[bytes]:
    """Read a small file in one turn of a thread, a large one block by block."""
    if file.size <= 1024 * 1024:
        for block in await asyncio.to_thread(lambda: list(blocks_of(file))):
            yield block
        return
    async with aclosing(in_thread(lambda: blocks_of(file))) as blocks:
        async for block in blocks:
            yield block
