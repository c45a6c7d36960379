"""Wrong bytes are never a complete body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import pytest

from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectInfo, ObjectRef
from storage_service.reading.committed import Committed, CommittedReader
from strongroom.errors import FileNotFound, ObjectLost
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

BODY = bytes(range(256)) * 40
KEY = "uploads/ada/a.bin"


@dataclass
class Pieces:
    """A stream whose pieces were changed in transit. ``gone``: after them the object is not found."""

    info: ObjectInfo
    pieces: list[bytes]
    gone: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.gone:
            raise ObjectNotFound(operation="GetObject")


class Tampering:
    """Reads the object in pieces of 1,000 bytes and applies ``change``."""

    def __init__(self, info: ObjectInfo, change: str) -> None:
        self._info = info
        self._change = change

    @asynccontextmanager
    async def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AsyncIterator[Pieces]:
        assert if_match == self._info.etag
        body = bytearray(BODY[offset : offset + (len(BODY) if length is None else length)])
        info = self._info
        match self._change:
            case "first bit":
                body[0] ^= 1
            case "last bit":
                body[-1] ^= 128
            case "cut":
                del body[-1]
            case "longer":
                body += b"x"
            case "empty":
                body.clear()
            case "removed":
                del body[5000:]
            case "another object":
                info = replace(info, etag="other")
            case "another size":
                info = replace(info, size=info.size - 1)
        pieces = [bytes(body[at : at + 1000]) for at in range(0, len(body), 1000)]
        yield Pieces(info, pieces, self._change == "removed")


async def committed(change: str) -> tuple[ObjectStore, Committed]:
    store = MemoryObjectStore()
    put = await store.put(KEY, [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=ObjectAttributes())
    ref = ObjectRef(KEY, put.version_id)
    tampering = cast("ObjectStore", Tampering(await store.head(ref), change))
    return tampering, Committed(ref, put.etag, len(BODY), crc32c_of([BODY]))


async def read(store: ObjectStore, what: Committed, **where: int) -> list[bytes]:
    received: list[bytes] = []
    async with CommittedReader(store, Reports()).open(what, **where) as body:
        async for piece in body:
            received.append(piece)  # noqa: PERF401 - what came before an error counts
    return received


@pytest.mark.parametrize(
    "change", ["first bit", "last bit", "cut", "longer", "empty", "another object", "another size"]
)
async def test_a_whole_body_breaks_off_before_its_end(change: str) -> None:
    store, what = await committed(change)
    received: list[bytes] = []
    reports = Reports()

    async def read_on() -> None:
        async with CommittedReader(store, reports).open(what) as body:
            async for piece in body:
                received.append(piece)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ObjectLost, match="operator"):
        await read_on()
    assert sum(map(len, received)) < len(BODY)
    assert reports.damaged == [("corrupt", KEY)]


async def test_a_sound_body_comes_whole() -> None:
    store, what = await committed("nothing")
    assert b"".join(await read(store, what)) == BODY
    assert b"".join(await read(store, what, offset=0, length=len(BODY))) == BODY
    assert b"".join(await read(store, what, offset=5, length=3000)) == BODY[5:3005]


@pytest.mark.parametrize("change", ["cut", "another object", "another size"])
async def test_ranges_are_of_the_right_object_and_length(change: str) -> None:
    store, what = await committed(change)
    with pytest.raises(ObjectLost):
        await read(store, what, offset=5, length=3000)


async def test_a_range_that_is_the_whole_file_is_checked_like_one() -> None:
    store, what = await committed("last bit")
    with pytest.raises(ObjectLost):
        await read(store, what, offset=0, length=len(BODY))


async def test_a_missing_object_is_lost() -> None:
    reports = Reports()
    reader = CommittedReader(MemoryObjectStore(), reports)
    with pytest.raises(ObjectLost):
        async with reader.open(Committed(ObjectRef("uploads/x", "v"), "e", 5, 7)):
            raise AssertionError("there is nothing to read")
    assert reports.damaged == [("lost", "uploads/x")]


@pytest.mark.parametrize("at", ["its beginning", "a piece"])
async def test_an_object_that_went_with_its_file_is_no_damage(at: str) -> None:
    """A read may be slower than the read grace: otherwise any user could have an operator paged."""
    store, what = await committed("removed")
    if at == "its beginning":
        store = MemoryObjectStore()

    async def read_with(reports: Reports) -> None:
        async with CommittedReader(store, reports).open(what) as body:
            async for _ in body:
                pass

    deleted, lost = Reports(removed=True), Reports()
    with pytest.raises(FileNotFound, match="while it was read"):
        await read_with(deleted)
    with pytest.raises(ObjectLost):
        await read_with(lost)
    assert (deleted.damaged, lost.damaged) == ([], [("lost", KEY)])


async def test_what_a_reader_does_not_find_elsewhere_is_its_own_business() -> None:
    store, what = await committed("nothing")
    reports = Reports()
    with pytest.raises(ObjectLost):
        async with CommittedReader(store, reports).open(what):
            raise ObjectNotFound(operation="PutObject")
    assert reports.damaged == []
