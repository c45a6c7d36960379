"""Turns at a session: one at a time, in order of arrival, also if waiters give up."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from servicekit import context
from servicekit.serving import channels
from storage_service.attempts.budget import ByteBudget
from storage_service.sessions import registry as module
from storage_service.sessions.kept import KeptSessions
from storage_service.sessions.registry import Registry
from strongroom.errors import DeadlineExceeded, ServiceUnavailable


def process_registry() -> Registry:
    return Registry(KeptSessions(ByteBudget(1 << 20)))


class Visitors:
    """Tasks that take turns. ``inside``: the tasks that have the turn and were not released yet."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.inside: list[str] = []
        self.seen: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.gates: dict[str, asyncio.Event] = {}

    async def arrive(self, name: str, upload_id: str = "one") -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._visit(name, upload_id))
        await settled()

    async def release(self, name: str) -> None:
        self.gates[name].set()
        await self.tasks[name]
        await settled()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tasks[name]
        await settled()

    async def _visit(self, name: str, upload_id: str) -> None:
        async with self.registry.turn(upload_id):
            self.inside.append(name)
            self.seen.append(name)
            try:
                await self.gates[name].wait()
            finally:
                self.inside.remove(name)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_at_a_time_in_order_of_arrival() -> None:
    visitors = Visitors(process_registry())
    for name in "abc":
        await visitors.arrive(name)
    for name in "abc":
        assert visitors.inside == [name]
        await visitors.release(name)
    assert visitors.seen == ["a", "b", "c"]


async def test_uploads_do_not_wait_for_each_other() -> None:
    visitors = Visitors(process_registry())
    await visitors.arrive("a", "one")
    await visitors.arrive("b", "two")
    assert visitors.inside == ["a", "b"]
    await visitors.release("a")
    await visitors.release("b")


@pytest.mark.parametrize("gone", ["b", "c", "bc", "cb"])
async def test_who_gives_up_waiting_lets_nobody_in_early(gone: str) -> None:
    visitors = Visitors(process_registry())
    for name in "abcd":
        await visitors.arrive(name)
    for name in gone:
        await visitors.cancel(name)
        assert visitors.inside == ["a"]
    for name in sorted(set("abcd") - set(gone)):
        assert visitors.inside == [name]
        await visitors.release(name)


async def test_who_is_cancelled_inside_lets_the_next_one_in() -> None:
    visitors = Visitors(process_registry())
    for name in "ab":
        await visitors.arrive(name)
    await visitors.cancel("a")
    assert visitors.inside == ["b"]
    await visitors.release("b")


async def test_nothing_is_kept_of_uploads_that_nobody_asks_about() -> None:
    registry = process_registry()
    visitors = Visitors(registry)
    for name in "abc":
        await visitors.arrive(name)
    await visitors.cancel("b")
    await visitors.release("a")
    await visitors.cancel("c")
    assert registry._turns == {}


async def test_a_newcomer_ends_the_writer_and_waits_for_its_last_bytes() -> None:
    registry = process_registry()
    writing = asyncio.Event()

    async def write() -> None:
        async with registry.turn("one"):
            entry = registry.enter("one")
        try:
            writing.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # persisting the last bytes
            order.append("persisted")
            registry.leave("one", entry)

    order: list[str] = []
    writer = asyncio.create_task(write())
    await writing.wait()
    async with registry.turn("one"):
        order.append("next")
    await writer
    assert order == ["persisted", "next"]


async def test_patience_with_a_writer_that_does_not_stop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    registry = process_registry()
    stuck = asyncio.Event()

    async def write() -> None:
        registry.enter("one")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await stuck.wait()

    writer = asyncio.create_task(write())
    await settled()
    async with asyncio.timeout(60), registry.turn("one"):
        assert not stuck.is_set()
    stuck.set()
    await writer


async def test_nobody_waits_for_a_turn_for_longer_than_a_caller_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", 0.05)
    registry = process_registry()
    visitors = Visitors(registry)
    for name in "abc":
        await visitors.arrive(name)
    for name in "bc":
        with pytest.raises(ServiceUnavailable) as caught:
            await visitors.tasks[name]
        assert caught.value.retry_after
    assert visitors.inside == ["a"]
    await visitors.release("a")
    assert registry._turns == {}


async def test_the_wait_counts_for_the_calls_of_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call may take 6 s, so three that wait for each other would take 18."""
    monkeypatch.setattr(module, "TURN_SECONDS", 8.5)
    async with process_registry().turn("one"):
        assert 8 < (context.remaining() or 0) <= 8.5
        assert 5 < channels.deadline() <= channels.DEFAULT_SECONDS
    assert context.remaining() is None


async def test_a_call_that_has_no_time_left_is_the_services_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", 0.01)
    with pytest.raises(ServiceUnavailable) as caught:
        async with process_registry().turn("one"):
            channels.deadline()
    assert caught.value.retry_after


async def test_a_caller_that_has_less_time_hears_that_it_is_over() -> None:
    with context.within(0.1), pytest.raises(DeadlineExceeded):
        async with process_registry().turn("one"):
            channels.deadline()


async def test_the_last_bytes_are_waited_for_no_longer_than_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", 0.05)
    registry = process_registry()
    stuck = asyncio.Event()

    async def write() -> None:
        registry.enter("one")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await stuck.wait()

    writer = asyncio.create_task(write())
    await settled()
    began = asyncio.get_running_loop().time()
    async with registry.turn("one"):
        assert asyncio.get_running_loop().time() - began < module.PATIENCE_SECONDS
    stuck.set()
    await writer
