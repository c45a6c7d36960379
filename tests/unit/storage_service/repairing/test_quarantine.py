"""Moving one version to quarantine while others do the same."""

from __future__ import annotations

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectRef
from storage_service.repairing.manifest import Manifest, Unreadable, manifest_key, object_key
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.stage import Grace
from tests.doubles.memory_store import MemoryObjectStore

KEY = "uploads/ada/a.bin"
BODY = b"the only copy"


async def stored(store: MemoryObjectStore) -> ListedVersion:
    await store.put(KEY, [BODY], size=len(BODY), crc32c=checksums.crc32c_of([BODY]), attrs=ObjectAttributes())
    (version,) = [one async for page in store.list_versions(KEY) for one in page]
    return version


async def read(store: MemoryObjectStore, key: str) -> bytes:
    async with store.open(ObjectRef(key)) as stream:
        return b"".join([piece async for piece in stream])


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def quarantine(store: MemoryObjectStore) -> Quarantine:
    return Quarantine(store, Grace(0))


async def test_of_two_that_move_it_neither_takes_the_others_copy_away(
    store: MemoryObjectStore, quarantine: Quarantine
) -> None:
    version = await stored(store)

    async def nobodys() -> bool:
        return True

    async def moved_meanwhile() -> bool:
        assert await quarantine.move(version, why="a", found="a", run_id="", still=nobodys)
        return False  # it doesn't exist any more

    assert await quarantine.move(version, why="b", found="b", run_id="", still=moved_meanwhile) is None
    (entry,) = [one async for one in quarantine.entries()]
    assert await read(store, object_key(entry.id)) == BODY


async def test_what_is_somebodys_again_stays_and_leaves_no_entry(
    store: MemoryObjectStore, quarantine: Quarantine
) -> None:
    version = await stored(store)

    async def somebodys() -> bool:
        return False

    assert await quarantine.move(version, why="a", found="a", run_id="", still=somebodys) is None
    assert [one async for one in quarantine.entries()] == []
    assert await read(store, KEY) == BODY


UNREADABLE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b'{"format": "strongroom-quarantine/1"}',
    b'{"format": "strongroom-quarantine/2", "id": "x", "shape": "another release\'s"}',
    b"{" * 100_000,
    b"[" * 100_000,
]


@pytest.mark.parametrize("text", UNREADABLE)
async def test_one_that_cannot_be_read_ends_no_list(
    store: MemoryObjectStore, quarantine: Quarantine, text: bytes
) -> None:
    made, attrs = [], ObjectAttributes()
    for number in range(3):
        key, crc32c = f"{KEY}{number}", checksums.crc32c_of([BODY])
        await store.put(key, [BODY], size=len(BODY), crc32c=crc32c, attrs=attrs)
        made.append(await quarantine.copy(ObjectRef(key), why="a", found="a", run_id="r"))
    made.sort(key=lambda entry: entry.id)
    crc32c = checksums.crc32c_of([text])
    await store.put(manifest_key(made[1].id), [text], size=len(text), crc32c=crc32c, attrs=attrs)
    listed = [one async for one in quarantine.entries()]
    assert [one.id for one in listed] == [one.id for one in made]
    assert [type(one) for one in listed] == [Manifest, Unreadable, Manifest]
