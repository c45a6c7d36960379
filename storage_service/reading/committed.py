"""Reads committed objects and compares the store's answer with the object's row.

The CRC-32C of a whole object is computed on the way (0.1 CPU s/GiB), and its last piece is passed on only if
the checksum is right, so a complete answer never has wrong bytes. Missing and damaged objects are reported
(`damage`), unless their file was removed while it was read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from storage_service.media.location import masked
from storage_service.media.unlocated import Masks
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ObjectArchived,
    ObjectNotFound,
    PreconditionFailed,
    translated,
)
from storage_service.objectstore.interface import ObjectStore, ObjectStream
from storage_service.objectstore.values import ObjectInfo, ObjectRef
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.damage import Damage, DamageReporter
from strongroom.errors import FileNotFound, ObjectLost


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed object as described by its row. ``masks``: replacements for some bytes, in order of
    offset. ``removable``: it belongs to no file, so a missing one is reported by its reader
    (``report_lost``), who knows where to look.
    """

    ref: ObjectRef
    etag: str
    size: int
    crc32c: int
    masks: Masks = ()
    removable: bool = False


class CommittedReader:
    """Opens committed objects. One instance per process."""

    def __init__(
        self, store: ObjectStore, reports: DamageReporter, archived: ArchivedObjects | None = None
    ) -> None:
        self._store = store
        self._reports = reports
        self._archived = archived or ArchivedObjects(store)

    @asynccontextmanager
    async def open(
        self, committed: Committed, *, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the bytes of exactly this content from ``offset`` on; ``length`` None: to its end.

        Entering the block and iterating raise FileNotFound if the file was removed meanwhile, ObjectLost, and
        the store's errors as StrongroomErrors.
        """
        wanted = committed.size - offset if length is None else length
        ref, etag = committed.ref, committed.etag
        with translated():
            async with AsyncExitStack() as stack:
                async with self.expecting(committed):
                    opening = self._store.open(ref, offset=offset, length=wanted, if_match=etag)
                    stream = await stack.enter_async_context(opening)
                self._check_object(committed, stream.info)
                body = self._pieces(stream, committed)
                whole = wanted == committed.size
                checked = self._checked(body, committed) if whole else self._counted(body, committed, wanted)
                yield _unlocated(checked, offset, committed.masks) if committed.masks else checked

    @asynccontextmanager
    async def expecting(self, committed: Committed) -> AsyncIterator[None]:
        """Translate "not found" and "another object" inside the block into ObjectLost, which is reported, or
        into FileNotFound if the object has been removed with its file.

        An archived object is requested back. Raises ObjectLost, FileNotFound, ObjectArchived.
        """
        try:
            yield
        except ObjectArchived:
            self._archived.ask_back(committed.ref)
            raise
        except (ObjectNotFound, PreconditionFailed) as error:
            if committed.removable and isinstance(error, ObjectNotFound):
                raise
            if await self._reports.is_removed(committed.ref, committed.etag):
                raise FileNotFound("The file was deleted or replaced while it was read.") from error
            raise self.report_lost(committed) from error

    def report_lost(self, committed: Committed) -> ObjectLost:
        """Report that the object is missing, and return the error to raise."""
        return self._damaged("lost", committed)

    def _damaged(self, damage: Damage, committed: Committed, **facts: object) -> ObjectLost:
        """Report the damage to the operator and the owner, and return the error to raise."""
        self._reports.report(damage, committed.ref, **facts)
        if damage == "lost":
            return ObjectLost("the stored object is missing or changed; the operator has been told")
        return ObjectLost(
            "the object store answered other bytes than were stored; the operator has been told"
        )

    def _check_object(self, committed: Committed, info: ObjectInfo) -> None:
        """Compare size and ETag: stores that ignore If-Match, or faulty middleboxes, may answer with another
        object.
        """
        if info.size != committed.size or (info.etag and info.etag != committed.etag):
            raise self._damaged("corrupt", committed, size=info.size, etag=info.etag)

    async def _pieces(self, stream: ObjectStream, committed: Committed) -> AsyncIterator[bytes]:
        """Yield the stream's pieces; the stream may have to reopen the object on the way."""
        async with self.expecting(committed):
            async for piece in stream:
                yield piece

    async def _checked(self, body: AsyncIterator[bytes], committed: Committed) -> AsyncIterator[bytes]:
        """Yield the pieces one step late, so that the last one is withheld until the checksum is known to be
        right.
        """
        crc32c = size = 0
        held = b""
        async for piece in body:
            crc32c, size = checksums.extend(crc32c, piece), size + len(piece)
            if held:
                yield held
            held = piece
        if (size, crc32c) != (committed.size, committed.crc32c):
            raise self._damaged("corrupt", committed, size=size, expected=committed.crc32c, actual=crc32c)
        if held:
            yield held

    async def _counted(
        self, body: AsyncIterator[bytes], committed: Committed, wanted: int
    ) -> AsyncIterator[bytes]:
        """Yield the pieces of a range and check their total length; a range has no checksum."""
        size = 0
        async for piece in body:
            size += len(piece)
            yield piece
        if size != wanted:
            raise self._damaged("corrupt", committed, size=size, expected=wanted)


async def _unlocated(body: AsyncIterator[bytes], at: int, masks: Masks) -> AsyncIterator[bytes]:
    async for piece in body:
        yield masked(piece, at, masks)
        at += len(piece)
