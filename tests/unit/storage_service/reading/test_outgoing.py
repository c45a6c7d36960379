"""Readers that have stopped reading hold a bounded part of the memory, and give way to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from servicekit import context
from servicekit.auth.principal import Principal
from servicekit.context import Writing
from storage_service.reading import outgoing as module
from storage_service.reading.outgoing import COPIES, FREE_BYTES, Outgoing
from strongroom.errors import Overloaded, StrongroomError

PIECE = 2 * FREE_BYTES
TOTAL = 8 * COPIES * PIECE


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.1)
    monkeypatch.setattr(module, "PRESSURE_RATE", 10 * PIECE)


async def pieces(count: int, size: int = PIECE) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


class Reader:
    """A call that writes ``count`` pieces. Each is taken after ``pause`` seconds."""

    def __init__(
        self, outgoing: Outgoing, owner: str, *, count: int = 4, size: int = PIECE, pause: float = 0.0
    ) -> None:
        self.taken = 0
        self.error: StrongroomError | None = None
        self._writing = Writing(60)
        self._pause = pause
        request = context.RequestContext("r", principal=Principal(owner), writing=self._writing)
        with context.bind(request):
            self.task = asyncio.create_task(self._run(outgoing, pieces(count, size)))

    async def write(self, piece: Any) -> None:
        await asyncio.sleep(self._pause)
        self.taken += len(piece)

    async def _run(self, outgoing: Outgoing, body: AsyncIterator[bytes]) -> None:
        paced = outgoing.paced(body)
        try:
            async for piece in paced:
                await self._writing.write(self, piece)
        except StrongroomError as error:
            self.error = error
        finally:
            await paced.aclose()


async def end(*readers: Reader) -> None:
    for reader in readers:
        reader.task.cancel()
    await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)


async def test_readers_that_take_nothing_give_way_and_get_a_true_error() -> None:
    outgoing = Outgoing(TOTAL)
    stalled = [Reader(outgoing, f"stalled-{n % 3}", pause=600) for n in range(40)]
    await asyncio.sleep(0.02)
    assert outgoing.used <= TOTAL
    quick = Reader(outgoing, "alice", count=20)
    async with asyncio.timeout(60):
        await quick.task
    assert (quick.taken, quick.error) == (20 * PIECE, None)
    dropped = [reader.error for reader in stalled if reader.error is not None]
    assert dropped
    assert all(isinstance(error, Overloaded) and error.retry_after for error in dropped)
    assert outgoing.used <= TOTAL
    await end(*stalled)
    assert (outgoing.used, outgoing.waiting) == (0, 0)


async def test_small_bodies_never_wait() -> None:
    outgoing = Outgoing(TOTAL)
    stalled = [Reader(outgoing, "stalled", pause=600) for _ in range(40)]
    await asyncio.sleep(0)
    small = Reader(outgoing, "alice", count=1, size=FREE_BYTES)
    async with asyncio.timeout(60):
        await small.task
    assert small.taken == FREE_BYTES
    await end(*stalled)


async def test_nobody_is_dropped_while_there_is_room() -> None:
    outgoing = Outgoing(TOTAL)
    slow = [Reader(outgoing, "slow", count=2, pause=0.3) for _ in range(8)]
    await asyncio.gather(*(reader.task for reader in slow))
    assert [reader.error for reader in slow] == [None] * 8
    assert outgoing.used == 0


async def test_slow_readers_of_a_modest_owner_have_more_patience_than_the_greedy_one() -> None:
    outgoing = Outgoing(TOTAL)
    modest = Reader(outgoing, "modest", count=1, pause=0.18)
    greedy = [Reader(outgoing, "greedy", pause=600) for _ in range(7)]
    await asyncio.sleep(0)
    others = [Reader(outgoing, f"other-{n}", count=2) for n in range(3)]
    async with asyncio.timeout(60):
        await asyncio.gather(modest.task, *(reader.task for reader in others))
    assert modest.error is None
    assert any(reader.error for reader in greedy)
    await end(*greedy)


async def test_slow_readers_of_many_owners_do_not_queue_before_a_quick_one() -> None:
    """Each slow reader is just fast enough not to be dropped; the quick reader used to wait behind all of
    them for each piece.
    """
    outgoing = Outgoing(2 * module.COPIES * PIECE)
    slow = [Reader(outgoing, f"slow-{number}", count=50, pause=0.1) for number in range(12)]
    await asyncio.sleep(0.7)  # each has taken one piece
    before = sum(reader.taken for reader in slow)
    quick = Reader(outgoing, "quick", count=10)
    async with asyncio.timeout(60):
        await quick.task
    meanwhile = (sum(reader.taken for reader in slow) - before) // PIECE
    await end(*slow)
    assert quick.taken == 10 * PIECE
    assert meanwhile <= 2 * 10 + len(slow)


async def test_a_slow_reader_waits_for_quick_ones_a_while_and_not_for_good() -> None:
    outgoing = Outgoing(module.COPIES * PIECE)
    slow = Reader(outgoing, "slow", count=3, pause=0.05)
    quick = [Reader(outgoing, f"quick-{number}", count=1_000_000) for number in range(4)]
    async with asyncio.timeout(60):
        await slow.task
    assert slow.taken == 3 * PIECE
    assert not any(reader.task.done() for reader in quick)
    await end(*quick)


async def test_cancelled_while_waiting_leaves_nothing() -> None:
    outgoing = Outgoing(TOTAL)
    readers = [Reader(outgoing, "alice", pause=600) for _ in range(20)]
    await asyncio.sleep(0.01)
    assert outgoing.waiting == 12
    await end(*readers[::-1])
    assert (outgoing.used, outgoing.waiting) == (0, 0)


async def test_the_source_is_closed_with_its_reader() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            yield bytes(PIECE)
        finally:
            closed.set()

    paced = Outgoing(TOTAL).paced(source())
    assert len(await anext(paced)) == PIECE
    await paced.aclose()
    assert closed.is_set()


async def test_a_piece_larger_than_the_budget_is_let_through_alone() -> None:
    outgoing = Outgoing(10)
    assert [len(piece) async for piece in outgoing.paced(pieces(2))] == [PIECE, PIECE]
    assert outgoing.used == 0


def test_there_must_be_a_budget() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        Outgoing(0)


async def first_piece(paced: AsyncGenerator[bytes]) -> bytes:
    return await anext(paced)


async def test_what_guests_hold_is_not_the_owners() -> None:
    outgoing = Outgoing(TOTAL)
    guest = Principal("alice", internal="storage_service", lent=True)
    bodies: list[AsyncGenerator[bytes]] = []

    def begin(principal: Principal) -> asyncio.Task[bytes]:
        bodies.append(outgoing.paced(pieces(1)))
        with context.bind(context.RequestContext("r", principal=principal)):
            return asyncio.create_task(first_piece(bodies[-1]))

    await asyncio.gather(*(begin(guest) for _ in range(7)), begin(Principal("bob")))
    assert outgoing.used == TOTAL
    bobs, own, guests = begin(Principal("bob")), begin(Principal("alice")), begin(guest)
    await asyncio.sleep(0)
    assert outgoing.waiting == 3
    for served in (own, bobs, guests):  # the owner that holds least is next
        await bodies.pop(0).aclose()
        async with asyncio.timeout(60):
            await served
        assert outgoing.waiting == [own, bobs, guests][::-1].index(served)
    for body in bodies:
        await body.aclose()
    assert outgoing.used == 0
