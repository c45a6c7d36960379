"""One owner's archives are compressed one piece at a time, after one piece of each other owner."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from storage_service.projects.archives.packing import Packing

LAST_SECONDS = 60


class Cores:
    """Counts the workers in progress. ``order``: the owners of the pieces, in the order in which the pieces
    began.
    """

    def __init__(self) -> None:
        self.lock, self.go, self.begun = threading.Lock(), threading.Event(), threading.Event()
        self.busy: Counter[bytes] = Counter()
        self.most: Counter[bytes] = Counter()
        self.together = 0
        self.order: list[bytes] = []

    def work(self, piece: bytes) -> bytes:
        with self.lock:
            self.order.append(piece)
            self.busy[piece] += 1
            self.most[piece] = max(self.most[piece], self.busy[piece])
            self.together = max(self.together, self.busy.total())
        self.begun.set()
        assert self.go.wait(LAST_SECONDS)
        with self.lock:
            self.busy[piece] -= 1
        return piece


@pytest.mark.parametrize("at_once", [1, 2])
async def test_one_owners_archives_take_one_turn_of_the_cores(at_once: int) -> None:
    packing, cores = Packing(at_once), Cores()
    many = [asyncio.ensure_future(packing.run("ada", cores.work, b"ada")) for _ in range(8)]
    await asyncio.sleep(0)
    other = asyncio.ensure_future(packing.run("bob", cores.work, b"bob"))
    async with asyncio.timeout(LAST_SECONDS):
        while len(cores.order) < at_once:  # noqa: ASYNC110 - threads fill it
            await asyncio.sleep(0.001)
    cores.go.set()
    assert await other == b"bob"
    assert cores.order.index(b"bob") <= 1, "behind one piece of the other owner, not behind eight"
    assert await asyncio.gather(*many) == [b"ada"] * 8
    assert cores.most[b"ada"] == 1
    assert cores.together <= at_once


async def test_who_leaves_gives_the_core_back_when_it_is_free() -> None:
    packing, cores = Packing(1), Cores()
    left = asyncio.ensure_future(packing.run("ada", cores.work, b"ada"))
    assert await asyncio.to_thread(cores.begun.wait, LAST_SECONDS)
    waits = asyncio.ensure_future(packing.run("ada", cores.work, b"ada"))
    left.cancel()
    other = asyncio.ensure_future(packing.run("bob", cores.work, b"bob"))
    await asyncio.sleep(0.01)
    assert cores.order == [b"ada"]
    waits.cancel()
    cores.go.set()
    assert await other == b"bob"
    with pytest.raises(asyncio.CancelledError):
        await left
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert await packing.run("ada", cores.work, b"ada") == b"ada"
