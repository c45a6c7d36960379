"""Graceful shutdown: health checks fail first, then no request is accepted, and requests that don't end in
time get an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from strongroom.errors import ServiceUnavailable

RETRY_SECONDS = 1.0


class Draining:
    """The state of one process.

    ``begun``: shutdown has begun. ``is_drained``: whether operators have drained a service in this process,
    so that no new requests should come. ``is_cut``: running requests are being ended.
    """

    def __init__(self) -> None:
        self.begun = False
        self.is_drained: Callable[[], bool] = lambda: False
        self.is_cut = False
        self._running: set[asyncio.Task[Any]] = set()
        self._endless: list[Callable[[], Any]] = []
        self._streams_over = False

    def begin(self) -> None:
        """From now on responses have ``Connection: close``, and ``/healthz`` tells load balancers to send no
        more requests.
        """
        self.begun = True

    def end_streams(self) -> None:
        """No request is accepted any more: end event streams, whose readers then reconnect elsewhere."""
        self._streams_over = True
        for end in tuple(self._endless):
            end()

    def cut(self) -> None:
        """The drain time is over: every request without a response gets an error."""
        self.is_cut = True
        for task in tuple(self._running):
            task.cancel()

    def entered(self) -> asyncio.Task[Any]:
        """Register the request of this task. Returns the task, for ``left``."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request runs in a task")
        self._running.add(task)
        return task

    def left(self, task: asyncio.Task[Any]) -> None:
        """The request of ``task`` has been answered."""
        self._running.discard(task)

    @contextmanager
    def endless(self, end: Callable[[], Any]) -> Iterator[None]:
        """Registers a stream that ends only when ``end`` is called.

        A stream that begins after ``end_streams`` ends at once: its request came before, and waited for a
        service.
        """
        if self._streams_over:
            end()
        self._endless.append(end)
        try:
            yield
        finally:
            self._endless.remove(end)


def cut_off() -> ServiceUnavailable:
    """The error for a request that could not be answered before the process stopped."""
    return ServiceUnavailable(
        "This server is shutting down before the request was done; send it again.",
        retry_after=RETRY_SECONDS,
        metadata={"service": "gateway"},
    )
