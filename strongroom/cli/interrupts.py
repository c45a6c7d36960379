"""Ctrl-C during a command."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Self

#: One press may come as several signals (`timeout -s INT`, programs that pass it on): those within a second.
ONE_PRESS_SECONDS: Final = 1.0


class Interrupts:
    """``with Interrupts():`` around an event loop whose main task calls ``end_this``. The first Ctrl-C
    cancels that task, each further one all tasks. One that finds the loop blocked raises KeyboardInterrupt.

    asyncio itself raises KeyboardInterrupt at the second signal, wherever its loop stands. Between taking a
    task's step from the queue and running it, that step is lost: the task never ends, and asyncio waits
    for it.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._pressed: float | None = None
        self._taken = True

    def __enter__(self) -> Self:
        # What somebody else handles or ignores stays theirs; only the main thread may ask for signals.
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def end_this(self) -> None:
        """The current task is the one to end."""
        self._task = asyncio.current_task()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._pressed is not None and now - self._pressed < ONE_PRESS_SECONDS:
            return
        if self._task is None or self._task.get_loop().is_closed() or not self._taken:
            raise KeyboardInterrupt
        first, self._pressed, self._taken = self._pressed is None, now, False
        self._task.get_loop().call_soon_threadsafe(self._cancel, first)

    def _cancel(self, first: bool) -> None:
        self._taken = True
        if self._task is None:
            return
        for task in {self._task} if first else asyncio.all_tasks(self._task.get_loop()):
            task.cancel()


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Around a question, which blocks the event loop: a Ctrl-C raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
