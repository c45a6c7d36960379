"""The bucket's installation: written once, and never replaced."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, cast

import pytest

from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectRef
from storage_service.repairing.identity import KEY, SAMPLE, TAKEN_AFTER_SECONDS, BucketIdentity
from storage_service.verifying.window import ROWS
from strongroom.errors import DatabaseUnavailable, RepairRefused
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED, BLOB_STATE_DELETING, BLOB_STATE_PENDING
from strongroom.metadata.v1.verification_service_pb2 import (
    GetInstallationResponse,
    KeyRow,
    ListKeyRowsResponse,
)
from tests.doubles.memory_store import MemoryObjectStore


class Records:
    """A database. ``knows``: whether it has committed rows. ``sizes``: by key, of those rows.

    ``deleting``: keys whose objects it is deleting.
    """

    def __init__(
        self,
        installation_id: str,
        *,
        knows: bool = True,
        revision: str = "7",
        sizes: Mapping[str, int] | None = None,
        deleting: Sequence[str] = (),
    ) -> None:
        self.deleting = deleting
        self._found = GetInstallationResponse(
            installation_id=installation_id,
            schema_revision=revision,
            expected_revision="7",
            has_committed=knows,
        )
        self._rows = [
            KeyRow(key=key, size_bytes=size, state=BLOB_STATE_COMMITTED)
            for key, size in sorted((sizes or {}).items())
        ]

    async def installation(self) -> GetInstallationResponse:
        return self._found

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        assert 0 < len(keys) <= SAMPLE
        rows = {key: [KeyRow(key=key, state=BLOB_STATE_DELETING)] for key in keys if key in self.deleting}
        return KeysNow(rows, frozenset())

    async def page(self, after: str, until: str, limit: int) -> ListKeyRowsResponse:
        """Return a page without committed rows first, as with uploads in progress."""
        assert (until, limit) == ("", ROWS)
        if not after and self._rows:
            return ListKeyRowsResponse(rows=[KeyRow(key="audio/", state=BLOB_STATE_PENDING)], more=True)
        return ListKeyRowsResponse(rows=self._rows)


class Counting(MemoryObjectStore):
    listed = 0

    def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        self.listed += 1
        return super().list_versions(prefix, after=after)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def identity(store: MemoryObjectStore, records: Records, clock: Clock | None = None) -> BucketIdentity:
    return BucketIdentity(store, cast("VerificationRecords", records), clock=clock or Clock())


async def put(store: MemoryObjectStore, key: str, body: bytes) -> None:
    crc32c = checksums.crc32c_of([body])
    await store.put(key, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())


async def named(store: MemoryObjectStore) -> str | None:
    try:
        async with store.open(ObjectRef(KEY)) as stream:
            return str(json.loads(b"".join([piece async for piece in stream]))["installation_id"])
    except ObjectNotFound:
        return None


async def rule(identity: BucketIdentity) -> str:
    with pytest.raises(RepairRefused) as refusal:
        await identity.check()
    return str(refusal.value.metadata["rule"])


async def test_the_first_one_takes_it_and_others_are_refused() -> None:
    store = MemoryObjectStore()
    assert (await identity(store, Records("a")).check()).installation_id == "a"
    await identity(store, Records("a")).check()
    assert await rule(identity(store, Records("b"))) == "foreign_bucket"
    assert await named(store) == "a"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"nonsense", b'{"installation_id": "other"}'])
async def test_what_is_not_to_be_read_is_somebody_elses(body: bytes) -> None:
    store = MemoryObjectStore()
    await put(store, KEY, body)
    assert await rule(identity(store, Records("a"))) == "foreign_bucket"


@pytest.mark.parametrize("is_marked", [False, True])
@pytest.mark.parametrize(
    "key",
    ["uploads/u/a.bin", "u/text-to-image/x.png", "projects/u/s/index.html", "temp/2026/01/01/a", "paths/u/p"],
)
async def test_a_database_that_knows_nothing_looks_at_no_bucket_with_files(key: str, is_marked: bool) -> None:
    store = MemoryObjectStore()
    if is_marked:
        await identity(store, Records("a", knows=False)).check()
    for number in range(2 * SAMPLE):
        await put(store, f"{key}{number}", b"x")
    assert await rule(identity(store, Records("a", knows=False))) == "database_empty"
    assert await named(store) == ("a" if is_marked else None)
    assert (await identity(store, Records("a", knows=False)).check(take=False)).installation_id == "a"
    known = Records("a", knows=False, deleting=[f"{key}{number}" for number in range(2 * SAMPLE)])
    await identity(store, known).check()
    assert await named(store) == "a"


async def test_what_is_none_of_ours_keeps_nobody_from_a_bucket() -> None:
    store = MemoryObjectStore()
    await put(store, "logs/app.log", b"x")
    await identity(store, Records("a", knows=False)).check()
    assert await named(store) == "a"
    await put(store, "uploads/u/a.bin", b"x")
    await identity(store, Records("a", sizes={"uploads/u/a.bin": 1})).check()


KNOWN: Final = {f"uploads/u/{n:04}.bin": 1 + n % 3 for n in range(200)}


@pytest.mark.parametrize(
    ("has", "is_taken"),
    [
        ({}, False),
        ({"logs/app.log": 1}, False),
        ({f"uploads/somebody/{n}.bin": 1 for n in range(200)}, False),
        ({key: size + 1 for key, size in KNOWN.items()}, False),  # other objects of the same names
        (dict(list(KNOWN.items())[:20]), False),
        (dict(list(KNOWN.items())[:150]), True),  # much is lost, but it is the right one
        (KNOWN, True),
    ],
)
async def test_a_bucket_without_the_files_of_the_database_is_not_taken(
    has: Mapping[str, int], is_taken: bool
) -> None:
    store = MemoryObjectStore()
    for key, size in has.items():
        await put(store, key, bytes(size))
    mine = identity(store, Records("a", sizes=KNOWN))
    if is_taken:
        await mine.check()
    else:
        assert await rule(mine) == "files_elsewhere"
    assert await named(store) == ("a" if is_taken else None)


async def test_only_some_files_are_looked_for() -> None:
    store = Counting()
    assert await rule(identity(store, Records("a", sizes=KNOWN))) == "files_elsewhere"
    assert 10 < store.listed <= SAMPLE
    assert await named(store) is None


@pytest.mark.parametrize(
    ("records", "why"), [(Records(""), "database_unmarked"), (Records("a", revision="8"), "schema_revision")]
)
async def test_a_database_that_nobody_should_act_on_is_refused(records: Records, why: str) -> None:
    store = MemoryObjectStore()
    assert await rule(identity(store, records)) == why
    assert await named(store) is None


async def test_periodic_work_asks_seldom_and_takes_late() -> None:
    store, clock = MemoryObjectStore(), Clock()
    mine = identity(store, Records("a"), clock)
    assert await mine.check_seldom()
    assert await named(store) is None
    clock.now = TAKEN_AFTER_SECONDS
    assert await mine.check_seldom()
    assert await named(store) == "a"
    late = identity(store, Records("b"), clock)
    assert not await late.check_seldom()
    await store.delete(ObjectRef(KEY))
    assert not await late.check_seldom(), "not asked again so soon"
    clock.now += 2 * TAKEN_AFTER_SECONDS
    assert await late.check_seldom()


@pytest.mark.parametrize("of", ["a", "b", "nobody", "nobody, and its files are elsewhere"])
async def test_the_cleaner_goes_on_only_in_the_bucket_of_its_database(of: str) -> None:
    store, clock = MemoryObjectStore(), Clock()
    if of in {"a", "b"}:
        await identity(store, Records(of)).check()
    mine = identity(store, Records("a", sizes=KNOWN if "files" in of else {}), clock)
    clock.now = TAKEN_AFTER_SECONDS
    assert await mine.may_remove() == (of in {"a", "nobody"})


@pytest.mark.parametrize(
    "records", [Records(""), Records("a", revision="8"), Records("a", knows=False)], ids=["", "old", "empty"]
)
async def test_what_the_database_lacks_does_not_hold_the_cleaner_up(records: Records) -> None:
    store, clock = MemoryObjectStore(), Clock()
    await put(store, "uploads/u/a.bin", b"x")
    mine = identity(store, records, clock)
    clock.now = TAKEN_AFTER_SECONDS
    assert not await mine.check_seldom()
    assert await mine.may_remove()


async def test_a_known_bucket_is_cleaned_while_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> GetInstallationResponse:
        raise DatabaseUnavailable("away")

    records, clock = Records("a"), Clock()
    known, unknown = (identity(MemoryObjectStore(), records, clock) for _ in range(2))
    assert await known.may_remove()
    monkeypatch.setattr(records, "installation", away)
    clock.now = TAKEN_AFTER_SECONDS
    assert await known.may_remove()
    with pytest.raises(DatabaseUnavailable):
        await unknown.may_remove()


async def test_operators_hear_of_a_bucket_that_is_not_the_databases() -> None:
    """Uploads go into it, so readiness and doctor have to say so, not only the log."""
    store, clock = MemoryObjectStore(), Clock()
    mine, other = identity(store, Records("a"), clock), identity(store, Records("b"), clock)
    await mine.check()
    for one in (mine, other):
        assert one.elsewhere() is None
        await one.check_seldom()
    assert mine.elsewhere() is None
    said, advice = other.elsewhere() or ("", "")
    assert (said, KEY in advice) == ("foreign_bucket", True)
    await store.delete(ObjectRef(KEY))
    clock.now += 3600
    assert await other.check_seldom()
    assert other.elsewhere() is None
