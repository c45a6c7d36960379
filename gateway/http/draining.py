"""Leaving in good order: who asks for health hears it first, then nobody new gets in, and what does not end
in time is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from strongroom.errors import ServiceUnavailable

RETRY_SECONDS = 1.0


class Draining:
    """One per process. ``begun``: it has been told to leave. ``is_drained``: whether operators have a service
    in this process begin nothing new, so that no more should come. ``is_cut``: requests still running are
    ended.
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
        more.
        """
        self.begun = True

    def end_streams(self) -> None:
        """Accept nothing new: event streams end, and their readers reconnect elsewhere."""
        self._streams_over = True
        for end in tuple(self._endless):
            end()

    def cut(self) -> None:
        """The drain time is over: each request without a response yet gets one that says so."""
        self.is_cut = True
        for task in tuple(self._running):
            task.cancel()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around a request, in its own task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request runs in a task")
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    @contextmanager
    def endless(self, end: Callable[[], Any]) -> Iterator[None]:
        """Around a stream that ends only when ``end`` is called. One that begins late ends at once: its
        request came in before, and was waiting for a service.
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
