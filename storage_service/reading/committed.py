"""Reading committed objects: what the row says of them is held against what the store answers.

Whole objects run their CRC-32C along (0.1 CPU s/GiB), and the last piece is passed on only when it is right:
other bytes than were stored never make a complete answer. What is missing or damaged is reported (`damage`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
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
from strongroom.errors import ObjectLost


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed object as its row tells of it. ``masks``: what its readers get in the place of some bytes,
    in order.
    """

    ref: ObjectRef
    etag: str
    size: int
    crc32c: int
    masks: Masks = ()


class CommittedReader:
    """Opens committed objects; one instance per process."""

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
        """The bytes of exactly this content, from ``offset`` on; ``length`` None: to its end.

        Entering raises ObjectLost and what the store raises, as a StrongroomError; so does iterating.
        """
        wanted = committed.size - offset if length is None else length
        ref, etag = committed.ref, committed.etag
        with translated():
            async with AsyncExitStack() as stack:
                with self.expecting(committed):
                    opening = self._store.open(ref, offset=offset, length=wanted, if_match=etag)
                    stream = await stack.enter_async_context(opening)
                self._check_object(committed, stream.info)
                body = self._pieces(stream, committed)
                whole = wanted == committed.size
                checked = self._checked(body, committed) if whole else self._counted(body, committed, wanted)
                yield _unlocated(checked, offset, committed.masks) if committed.masks else checked

    @contextmanager
    def expecting(self, committed: Committed) -> Iterator[None]:
        """Inside, a store that does not find the object, or finds another one in its place, has lost it.
        Raises ObjectLost. One that is archived is asked back.
        """
        try:
            yield
        except ObjectArchived:
            self._archived.ask_back(committed.ref)
            raise
        except (ObjectNotFound, PreconditionFailed) as error:
            raise self._damaged("lost", committed) from error

    def _damaged(self, damage: Damage, committed: Committed, **facts: object) -> ObjectLost:
        """The error to raise; the operator and the owner are told."""
        self._reports.report(damage, committed.ref, **facts)
        if damage == "lost":
            return ObjectLost("the stored object is missing or changed; the operator has been told")
        return ObjectLost(
            "the object store answered other bytes than were stored; the operator has been told"
        )

    def _check_object(self, committed: Committed, info: ObjectInfo) -> None:
        """Stores that pass over If-Match, or middleboxes that mix answers up, answer with another object."""
        if info.size != committed.size or (info.etag and info.etag != committed.etag):
            raise self._damaged("corrupt", committed, size=info.size, etag=info.etag)

    async def _pieces(self, stream: ObjectStream, committed: Committed) -> AsyncIterator[bytes]:
        """The store may open it again on the way."""
        with self.expecting(committed):
            async for piece in stream:
                yield piece

    async def _checked(self, body: AsyncIterator[bytes], committed: Committed) -> AsyncIterator[bytes]:
        """One piece behind, so that the last one is kept back until the sum is right."""
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
        """A range: nothing tells its checksum, but how long it is."""
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
