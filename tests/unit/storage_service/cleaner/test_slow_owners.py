"""One owner's removals hang: all others continue, within the usual limit of parallel work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import pytest

from servicekit.background import Heartbeat, running
from storage_service.cleaner import cleaner as module
from storage_service.cleaner.cleaner import BATCH, FULL_HOUSEKEEPING, PARALLEL, Cleaner
from storage_service.objectstore.values import ListedVersion
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import ClaimWorkResponse
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.cleaner.test_cleaner import Work

SLOW, QUICK = "slow", "quick"
ROWS: Final = 200


class HangingStore(MemoryObjectStore):
    """A store in which calls on one owner's keys hang until ``ends``."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = asyncio.Event()
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        owner = prefix.split("/")[1]
        self.at_once.update([owner, "all"])
        self.most |= self.at_once
        try:
            await (self.ends.wait() if owner == SLOW else asyncio.sleep(0))
        finally:
            self.at_once.subtract([owner, "all"])
        async for page in super().list_versions(prefix, after=after):
            yield page


class Claims(Work):
    """Records the requests and returns no row twice, as the rows' epochs ensure."""

    def __init__(self, rows: Sequence[blob_pb2.Blob]) -> None:
        super().__init__(rows)
        self.left_out: list[set[str]] = []
        self.handed_out: set[str] = set()

    async def claim_work(self, limit: int, *, without: Collection[str] = ()) -> ClaimWorkResponse:
        self.left_out.append(set(without))
        answer = await super().claim_work(limit, without=without)
        ids = {blob.id for blob in answer.blobs}
        assert not ids & self.handed_out, "nobody claims what he has in hand"
        self.handed_out |= ids
        return answer

    def left(self) -> Counter[str]:
        return Counter(row.owner_id for row in self.rows.values())


def removed(owner: str, number: int) -> blob_pb2.Blob:
    return blob_pb2.Blob(
        id=f"{owner}-{number}",
        owner_id=owner,
        key=f"uploads/{owner}/{number}.bin",
        kind=blob_pb2.BLOB_KIND_SINGLE,
        state=blob_pb2.BLOB_STATE_DELETING,
    )


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a loop of the product fulfils it
            await asyncio.sleep(0.001)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> HangingStore:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    return HangingStore()


async def test_what_hangs_of_one_owner_holds_up_nobody_else(store: HangingStore) -> None:
    rows = [*(removed(SLOW, n) for n in range(2 * BATCH)), *(removed(QUICK, n) for n in range(ROWS))]
    work = Claims(rows)
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=3600)
    async with running(cleaner.loop):
        await until(lambda: not work.left()[QUICK])
        assert work.left()[SLOW] == 2 * BATCH
        assert cleaner.loop.is_busy, "operators who drain it see what it has in hand"
        assert store.most == Counter({"all": PARALLEL, SLOW: PARALLEL - 1, QUICK: 1})
        assert work.left_out[0] == set()
        assert set().union(*work.left_out) == {SLOW}
        assert len(work.handed_out) == BATCH + ROWS, "no more is claimed of whom has not ended"
        store.ends.set()
        await until(lambda: not work.rows)  # without the loop's rest of an hour
    assert not cleaner.loop.is_busy


async def test_when_every_place_hangs_nothing_more_is_claimed(store: HangingStore) -> None:
    rows = [*(removed(SLOW, n) for n in range(BATCH)), removed("slow2", 1), removed(QUICK, 1)]
    rows[-2].key = f"uploads/{SLOW}/another.bin"
    work = Claims(rows)
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=0.001)
    async with running(cleaner.loop):
        await until(lambda: store.at_once["all"] == PARALLEL)
        await asyncio.sleep(0.05)
        assert len(work.left_out) == 2
        store.ends.set()
        await until(lambda: not work.rows)


async def test_an_owner_left_out_who_ends_is_asked_for_again_at_once(store: HangingStore) -> None:
    class Ending(Claims):
        async def claim_work(self, limit: int, *, without: Collection[str] = ()) -> ClaimWorkResponse:
            answer = await super().claim_work(limit, without=without)
            if without:  # his work ends while nothing else is claimed
                store.ends.set()
                await until(lambda: not self.rows)
            return answer

    cleaner = Cleaner(store, Ending([removed(SLOW, 1)]), Heartbeat("cleaner", 1.0), interval_seconds=3600)
    assert not await cleaner.run_once()
    assert await cleaner.run_once()
    assert not await cleaner.run_once()


@pytest.mark.parametrize(("moved", "more"), [(FULL_HOUSEKEEPING - 1, False), (FULL_HOUSEKEEPING, True)])
async def test_housekeeping_that_moved_a_full_batch_is_repeated_at_once(
    store: HangingStore, moved: int, more: bool
) -> None:
    class Housekeeping(Work):
        async def claim_work(self, limit: int, *, without: Collection[str] = ()) -> ClaimWorkResponse:
            return ClaimWorkResponse(housekeeping=moved)

    cleaner = Cleaner(store, Housekeeping([]), Heartbeat("cleaner", 1.0), interval_seconds=3600)
    assert await cleaner.run_once() is more


async def test_what_is_at_work_ends_with_the_loop(store: HangingStore) -> None:
    work = Claims([removed(SLOW, n) for n in range(3)])
    cleaner = Cleaner(store, work, Heartbeat("cleaner", 1.0), interval_seconds=3600)
    async with running(cleaner.loop):
        await until(lambda: store.at_once[SLOW] == 3)
    assert store.at_once.total() == 0
    assert not cleaner.loop.is_busy
    assert work.left() == {SLOW: 3}
