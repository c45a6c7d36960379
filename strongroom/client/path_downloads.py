"""Downloads to a path: atomic, resumed from an earlier attempt, verified as a whole."""

from __future__ import annotations

import errno
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from strongroom import errors
from strongroom.client.connection import Connection
from strongroom.client.downloads import Download, damaged
from strongroom.client.files import StoredFile
from strongroom.client.local_files import (
    in_worker,
    is_special,
    opened_device,
    opened_in_worker,
    write_to_device,
)
from strongroom.client.partials import PartialFile, remove_leftovers
from strongroom.client.retries import Deadline
from strongroom.client.uploads import Progress
from strongroom.local_names import fit
from strongroom.storage.v1 import download_pb2

#: Blocks that are written to disk at once, to switch threads less often.
WRITE_TOGETHER = 4
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
#: How often a download begins again because the content was replaced meanwhile, or a partial file was
#: damaged.
MAX_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A finished download: its path and its file."""

    path: Path
    file: StoredFile


class PathDownload:
    """One download to a path. With ``resume`` a failed attempt leaves its bytes for a later one."""

    def __init__(
        self,
        connection: Connection,
        request: download_pb2.DownloadRequest,
        *,
        resume: bool,
        on_progress: Progress | None,
        timeout: float | None,
    ) -> None:
        self._connection = connection
        self._request = request
        self._resume = resume
        self._on_progress = on_progress
        self._deadline = Deadline(timeout)

    async def to(self, destination: Path) -> Downloaded:
        """Download, verify and move into place.

        In a folder, the file is named like the stored one (made safe). A link is followed. A device or pipe
        is written to.

        :raises StrongroomError: typed by the reason.
        :raises OSError: the path can't be written.
        """
        if await in_worker(destination.is_dir):
            described = await self._download().describe()
            destination /= local_name(described)
        if await in_worker(is_special, destination):
            return Downloaded(destination, await self._into(destination))
        real = await in_worker(destination.resolve)
        for _ in range(MAX_RESTARTS):
            try:
                return Downloaded(destination, await self._once(real))
            except _Restart:
                continue
        raise errors.PreconditionFailed(
            f"the file was replaced {MAX_RESTARTS} times while it was downloaded; try again later"
        )

    def _download(self, *, offset: int = 0, etag: str = "") -> Download:
        request = download_pb2.DownloadRequest()
        request.CopyFrom(self._request)
        request.read_offset = offset
        request.if_etag_match = etag
        return Download(self._connection, request, self._deadline.remaining())

    async def _into(self, device: Path) -> StoredFile:
        """Write to a device or pipe, where nothing can be resumed."""
        download, done = self._download(), 0
        async with opened_device(device) as file, aclosing(download.blocks()) as blocks:
            async for block in blocks:
                await write_to_device(file, device, block)
                done += len(block)
                self._report(done, download.size)
        return download.file

    async def _once(self, destination: Path) -> StoredFile:
        """Download the current content once.

        :raises _Restart: it was replaced meanwhile, or bytes of an earlier attempt are damaged.
        """
        file = await self._download().describe()
        version = self._request.version_id
        current = version in {"", file.version_id}
        identity = "|".join((file.id, file.etag if current else "", version))
        partial = await opened_in_worker(_left, PartialFile.open, destination, identity)
        if not self._resume or not current or partial.size > file.size:
            partial.restart()
        resumed = partial.size
        try:
            await self._fill(partial, file, current=current)
            _verify(partial, file if current else None)
            await in_worker(partial.finish)
        except (errors.ChecksumMismatch, errors.PreconditionFailed) as error:
            partial.leave(keep=False)
            if resumed or isinstance(error, errors.PreconditionFailed):
                raise _Restart from error
            raise
        except BaseException as error:
            # if the disk is full, the partial file is what fills it
            full = isinstance(error, OSError) and error.errno in _NO_ROOM
            partial.leave(keep=self._resume and not full)
            raise
        await in_worker(remove_leftovers, destination)
        return file

    async def _fill(self, partial: PartialFile, file: StoredFile, *, current: bool) -> None:
        """Append the missing bytes. The ETag, or a version id, makes sure that they belong to the present
        ones.
        """
        if current and partial.size == file.size:
            return
        total = file.size if current else None
        download = self._download(offset=partial.size, etag=file.etag if current else "")
        together: list[bytes] = []
        async with aclosing(download.blocks()) as blocks:
            async for block in blocks:
                together.append(block)
                if len(together) == WRITE_TOGETHER:
                    await in_worker(partial.write, together)
                    together = []
                    self._report(partial.size, total)
        await in_worker(partial.write, together)
        self._report(partial.size, total)

    def _report(self, done: int, total: int | None) -> None:
        if self._on_progress is not None:
            self._on_progress(done, total)


def local_name(file: StoredFile) -> str:
    """Return a name for ``file`` in a local folder: never a path, hidden, reserved, or with control
    characters.

    It is made from the file name, or from the end of the key if nothing of that is left.
    """
    return fit(file.filename) or fit(file.key.rsplit("/", 1)[-1]) or file.id


def _verify(partial: PartialFile, file: StoredFile | None) -> None:
    if file is not None and partial.crc32c != file.crc32c:
        raise damaged(file, partial.crc32c)


def _left(partial: PartialFile) -> None:
    partial.leave(keep=True)


class _Restart(Exception):
    """Begin again with the current content."""
