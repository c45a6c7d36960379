"""Exchanges with the store as generators that yield where they wait for the socket.

A thread or the event loop does the waiting. The protocol is written once, and both ways keep the same time
limits.
"""

from __future__ import annotations

import asyncio
import math
import select
import socket
from collections.abc import Generator
from typing import Final, NamedTuple, TypeAlias, TypeVar

READABLE: Final = select.POLLIN
WRITABLE: Final = select.POLLOUT

T = TypeVar("T")


class Wait(NamedTuple):
    """Continue when the socket is READABLE or WRITABLE. Throw TimeoutError if it isn't within ``seconds``."""

    events: int
    seconds: float


Steps: TypeAlias = Generator[Wait, None, T]


def on_thread(steps: Steps[T], sock: socket.socket) -> T:
    """Run the steps and wait on this thread. Returns and raises what the steps do."""
    try:
        wait = next(steps)
        while True:
            poll = select.poll()
            poll.register(sock, wait.events)
            ready = poll.poll(math.ceil(1000 * max(0.0, wait.seconds)))
            wait = next(steps) if ready else steps.throw(TimeoutError())
    except StopIteration as done:
        result: T = done.value
        return result


async def on_loop(steps: Steps[T], sock: socket.socket) -> T:
    """Like ``on_thread``, by the event loop.

    When cancelled, the steps are closed after the socket's watcher was removed.
    """
    try:
        wait = next(steps)
        while True:
            ready = await _ready(sock, wait)
            wait = next(steps) if ready else steps.throw(TimeoutError())
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()


async def _ready(sock: socket.socket, wait: Wait) -> bool:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bool] = loop.create_future()
    reading = wait.events == READABLE
    (loop.add_reader if reading else loop.add_writer)(sock, _tell, waiter, True)
    timer = loop.call_later(max(0.0, wait.seconds), _tell, waiter, False)
    try:
        return await waiter
    finally:
        timer.cancel()
        (loop.remove_reader if reading else loop.remove_writer)(sock)


def _tell(waiter: asyncio.Future[bool], ready: bool) -> None:
    if not waiter.done():
        waiter.set_result(ready)
