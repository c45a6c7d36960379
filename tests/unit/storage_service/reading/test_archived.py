"""Objects in an archive class are reported as such, and their restore is requested once."""

from __future__ import annotations

import asyncio

import pytest

from servicekit.archive_classes import Transition, transitions_of
from servicekit.settings import SettingError
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import AccessDenied
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.reading.archived import MOST_ASKING, ArchivedObjects
from storage_service.reading.committed import Committed, CommittedReader
from strongroom.errors import ObjectArchived
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports

BODY = b"old bytes"


async def stored(store: MemoryObjectStore, key: str) -> Committed:
    put = await store.put(key, [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=ObjectAttributes())
    return Committed(ObjectRef(key, put.version_id), put.etag, len(BODY), crc32c_of([BODY]))


async def read(reader: CommittedReader, what: Committed) -> bytes:
    async with reader.open(what) as body:
        return b"".join([bytes(piece) async for piece in body])


async def test_it_says_so_is_asked_back_once_and_reads_as_ever() -> None:
    store = MemoryObjectStore()
    archived = ArchivedObjects(store)
    reader = CommittedReader(store, Reports(), archived)
    one, other = await stored(store, "uploads/ada/1"), await stored(store, "uploads/ada/2")
    store.archived = {one.ref.key, other.ref.key}
    for what in (one, one, other, one):
        with pytest.raises(ObjectArchived, match="brought back") as told:
            await read(reader, what)
        assert told.value.retry_after == 3600
        assert told.value.http_status == 503
    await archived.aclose()
    assert store.asked_back == [one.ref.key, other.ref.key]
    store.archived.clear()
    assert await read(reader, one) == BODY


async def test_a_copy_asks_for_it_as_well() -> None:
    store = MemoryObjectStore()
    archived = ArchivedObjects(store)
    reader = CommittedReader(store, Reports(), archived)
    what = await stored(store, "uploads/ada/1")
    store.archived = {what.ref.key}

    async def copy() -> None:
        async with reader.expecting(what):
            await store.copy(what.ref, "uploads/ada/2", ObjectAttributes(), size=what.size)

    with pytest.raises(Exception, match="archive class"):
        await copy()
    await archived.aclose()
    assert store.asked_back == [what.ref.key]


async def test_many_at_once_are_all_asked_back_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryObjectStore()
    archived = ArchivedObjects(store)
    asking = most = asked = 0

    async def slowly(ref: ObjectRef, *, days: int, tier: str) -> None:
        nonlocal asking, most, asked
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking, asked = asking - 1, asked + 1

    monkeypatch.setattr(store, "request_restore", slowly)
    for number in range(5 * MOST_ASKING):
        archived.ask_back(ObjectRef(f"uploads/ada/{number}"))
    await archived.aclose()
    assert (most, asked) == (MOST_ASKING, 5 * MOST_ASKING)


async def test_a_store_that_refuses_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryObjectStore()
    what = await stored(store, "uploads/ada/1")
    clock = [0.0]
    monkeypatch.setattr("storage_service.reading.throttle.time.monotonic", lambda: clock[0])
    archived = ArchivedObjects(store)
    tries = 0

    async def refuse(ref: ObjectRef, *, days: int, tier: str) -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0)
        raise AccessDenied(operation="RestoreObject")

    monkeypatch.setattr(store, "request_restore", refuse)
    for now in (0.1, 1.0, 11.0, 12.0):
        clock[0] = now
        archived.ask_back(what.ref)
        await archived.aclose()
    assert tries == 2


def test_settings_of_transitions() -> None:
    assert transitions_of("") == ()
    assert transitions_of(" path=30:STANDARD_IA, all = 365:DEEP_ARCHIVE ,") == (
        Transition("paths/", 30, "STANDARD_IA"),
        Transition("", 365, "DEEP_ARCHIVE"),
    )
    assert {one.prefix for one in transitions_of("files=1:GLACIER")} == {"uploads/", "documents/", "audio/"}


@pytest.mark.parametrize(
    "text",
    [
        "files",
        "files=30",
        "files=x:GLACIER",
        "files=0:GLACIER",
        "files=29:STANDARD_IA",
        "files=40000:GLACIER",
        "generations=30:GLACIER",
        "files=30:CHEAP",
        "files=30:GLACIER,files=60:GLACIER",
    ],
)
def test_settings_that_make_no_sense(text: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_S3_TRANSITIONS"):
        transitions_of(text)
