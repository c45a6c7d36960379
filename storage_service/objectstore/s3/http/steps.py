"""An exchange with the store as steps between which its socket is waited for: by a thread, or by the event
loop. What is sent and understood is written once, and both ways of waiting keep the same time limits.
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
    """Go on when the socket is READABLE or WRITABLE; TimeoutError when it is neither for ``seconds``."""

    events: int
    seconds: float


Steps: TypeAlias = Generator[Wait, None, T]


def on_thread(steps: Steps[T], sock: socket.socket) -> T:
    """Wait on this thread. Returns and raises what the steps do."""
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
    """As ``on_thread``, by the event loop. Cancelled, the steps are closed when nobody watches the socket any
    more.
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
