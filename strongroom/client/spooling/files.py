"""Calls of ``AsyncClient`` about files, with a spool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from strongroom import errors
from strongroom.client.files import Family, FileName, FilePage, StoredFile, name_file
from strongroom.client.local_files import in_worker, replacing
from strongroom.client.path_downloads import Downloaded, local_name
from strongroom.client.retries import BRIEF
from strongroom.client.spooling.operations import CallOperation, ImportOperation, UploadOperation
from strongroom.client.spooling.spool import Spool, is_away
from strongroom.client.spooling.view import (
    View,
    Waiting,
    blocks_of_body,
    resolved,
    unseen_file,
    view_of,
    waiting_file,
)
from strongroom.client.uploads import Progress
from strongroom.metadata.v1 import file_pb2
from strongroom.storage.v1 import batch_pb2


class SpooledFiles:
    """The files of one user: ``user_id``, or the token's subject if that is empty."""

    def __init__(self, spool: Spool, user_id: str) -> None:
        self._spool = spool
        self._user_id = user_id

    async def owner(self) -> str:
        """Return the owner of these files."""
        return self._user_id or await self._spool.subject()

    async def upload(self, operation: UploadOperation | ImportOperation) -> StoredFile:
        """Return the stored file, or the waiting one. Raises as ``Spool.run``."""
        answer, entry = await self._spool.run(operation, self._user_id)
        if isinstance(answer, file_pb2.File):
            return StoredFile.from_proto(answer)
        if entry is None:
            raise TypeError(f"an upload is answered with a file, not with {type(answer).__name__}")
        if isinstance(operation, UploadOperation):
            return waiting_file(entry, await self.owner())
        wanted = file_pb2.File(
            id=entry.id,
            key=f"spool/{entry.id}",
            owner_id=await self.owner(),
            filename=operation.spec.spec.filename,
        )
        return replace(unseen_file(wanted), family=Family.GENERATION)

    async def delete(
        self, request: batch_pb2.DeleteFileRequest, file: FileName, timeout: float | None
    ) -> StoredFile:
        """Return the deleted file as far as it is known. Raises as ``Spool.run``."""
        waiting = await self.find(file)
        name_file(request, file if waiting is not None else await self.resolve(file))
        names = (file.id, file.key) if isinstance(file, StoredFile) else ()
        answer, _ = await self._spool.run(CallOperation(request, timeout, names), self._user_id)
        if isinstance(answer, batch_pb2.DeleteFileResponse):
            return StoredFile.from_proto(answer.file)
        if waiting is not None:
            return waiting.file
        if isinstance(file, StoredFile):
            return replace(file, spooled=True)
        return unseen_file(file_pb2.File(id=request.file_id, key=request.key, owner_id=await self.owner()))

    async def find(self, name: FileName) -> Waiting | None:
        """Return the waiting file of a name, or None. Raises FileNotFound if its deletion waits."""
        return (await self._view()).find(name)

    async def resolve(self, name: FileName) -> FileName:
        """Return the service's name for a file that was in the spool before; other names unchanged."""
        return await asyncio.to_thread(resolved, await self._spool.disk(), name)

    async def page(
        self,
        listed: Callable[[], Awaitable[FilePage]],
        prefix: str,
        family: Family | None,
        *,
        first: bool,
    ) -> FilePage:
        """Return a page of a list, completed by waiting files.

        If the service can't be reached, the first page has only those.
        """
        view = await self._view()
        if not view.waiting and not view.gone:
            return await listed()
        brief = BRIEF.set(True)
        try:
            page = await listed()
        except errors.StrongroomError as error:
            if not first or not is_away(error):
                raise
            page = FilePage((), "", complete=False)
        finally:
            BRIEF.reset(brief)
        return view.over(page, prefix, family, first=first)

    async def _view(self) -> View:
        disk = await self._spool.disk()
        return await asyncio.to_thread(view_of, disk, self._user_id, await self._spool.subject())


async def save_waiting(waiting: Waiting, path: Path, on_progress: Progress | None) -> Downloaded:
    """Write a waiting file to ``path``, atomically. Raises OSError."""
    if await in_worker(path.is_dir):
        path /= local_name(waiting.file)
    done = 0
    async with replacing(path) as local:
        for block in await asyncio.to_thread(lambda: blocks_of_body(waiting.place, 0, None)):
            await in_worker(local.write, block)
            done += len(block)
            if on_progress is not None:
                on_progress(done, waiting.file.size)
    return Downloaded(path, waiting.file)
