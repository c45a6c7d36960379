"""How a command ends that was interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from strongroom.cli import interrupts
from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session, run
from strongroom.cli.settings import ConnectionOptions


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def ended(command: Callable[[], Awaitable[ExitCode | None]]) -> ExitCode:
    return run(Session(ConnectionOptions(), Output(as_json=False, quiet=False)), command)


class Steps(deque[Any]):
    """The steps that a loop has to take: SIGINT once more as the ``at``-th after the first is taken."""

    def __init__(self, steps: Any, at: int) -> None:
        super().__init__(steps)
        self.left = 0
        self.at = at
        self.lost: list[Any] = []

    def begin(self) -> None:
        press()
        self.left = self.at

    def popleft(self) -> Any:
        step = super().popleft()
        self.left -= 1
        if self.left == 0:
            try:
                press()
            except KeyboardInterrupt:
                self.lost.append(step)  # the loop would never take it, and its task never end
        return step


@pytest.mark.parametrize("at", range(1, 9))
def test_a_press_that_comes_as_two_signals_loses_no_step(at: int) -> None:
    seen: list[object] = []

    async def command() -> None:
        loop: Any = asyncio.get_running_loop()
        loop._ready = steps = Steps(loop._ready, at)
        loop.call_soon(steps.begin)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            seen.append(steps.lost)

    assert ended(command) == ExitCode.INTERRUPTED
    assert seen == [[]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_further_press_cancels_what_took_no_notice_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "ONE_PRESS_SECONDS", 0.0)
    told: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            told.append("not now")
        asyncio.get_running_loop().call_later(0.01, press)
        await asyncio.sleep(3600)

    async def command() -> None:
        left = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        press()
        await left

    assert ended(command) == ExitCode.INTERRUPTED
    assert told == ["not now"]


def test_a_further_press_ends_what_blocks_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "ONE_PRESS_SECONDS", 0.0)
    until = time.monotonic() + 60

    def impatient() -> None:
        while not over.wait(0.05):
            press()

    async def command() -> None:
        while time.monotonic() < until:
            time.sleep(0.01)  # noqa: ASYNC251 - a write to a pipe that nobody reads, say

    over = threading.Event()
    pressing = threading.Thread(target=impatient)
    pressing.start()
    try:
        code = ended(command)
    finally:
        over.set()
        pressing.join()
    assert code == ExitCode.INTERRUPTED


def test_a_signal_that_somebody_else_handles_stays_theirs() -> None:
    heard: list[int] = []

    async def command() -> ExitCode:
        press()
        await asyncio.sleep(0)
        return ExitCode.OK

    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        assert ended(command) == ExitCode.OK
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
