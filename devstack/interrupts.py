"""Signals that can be waited for: Ctrl-C, SIGTERM, SIGHUP, a child's death, a closed lifeline."""

from __future__ import annotations

import os
import selectors
import signal
import time
from types import FrameType
from typing import Any, Self

from devstack.errors import StopRequestedError

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handles signals inside a `with` block of the main thread.

    `lifeline`: a file descriptor whose end of file counts as a request to stop.
    """

    def __init__(self, lifeline: int | None = None) -> None:
        self.stops = 0
        self._lifeline = lifeline
        self._previous: dict[int, Any] = {}
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._selector.register(self._read, selectors.EVENT_READ)
        if self._lifeline is not None:
            self._selector.register(self._lifeline, selectors.EVENT_READ)
        self._old_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _STOPPING:
            self._previous[number] = signal.signal(number, self._count)
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._noticed)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        self._selector.close()
        os.close(self._read)
        os.close(self._write)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1

    def _noticed(self, _number: int, _frame: FrameType | None) -> None:
        """Do nothing: SIGCHLD needs a handler so that Python writes to the wake-up descriptor."""

    @property
    def stop_requested(self) -> bool:
        """True once any stopping signal came or the lifeline closed."""
        return self.stops > 0

    def check(self) -> None:
        """Raises StopRequestedError if a stop was requested."""
        if self.stop_requested:
            raise StopRequestedError("stopped before everything was up")

    def wait(self, seconds: float) -> None:
        """Sleep up to `seconds`; return early when a signal arrives."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._take(key.fd)
                return

    def _take(self, fd: int) -> None:
        if fd == self._read:
            os.read(fd, 4096)
        elif not os.read(fd, 4096):
            self._selector.unregister(fd)
            self.stops += 1
