"""Blocking calls on bounded thread pools, seen from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from storage_service.objectstore.s3.light import Exchange
from storage_service.objectstore.s3.wire import Broken

T = TypeVar("T")

_ABORT_GRACE = 2.0


class Offload:
    """Pools of their own, so that slow uploads hold up neither downloads nor control calls, and what a store
    takes minutes for holds up no other control call.
    """

    def __init__(self, *, max_writes: int, max_reads: int, max_control_calls: int) -> None:
        self._writes = ThreadPoolExecutor(max_writes, "s3-write")
        self._reads = ThreadPoolExecutor(max_reads, "s3-read")
        self._controls = ThreadPoolExecutor(max_control_calls, "s3-control")
        self._slow = ThreadPoolExecutor(max_control_calls, "s3-slow")

    async def write(self, call: Callable[[Exchange], T]) -> T:
        """Run ``call`` with bytes to send.

        Cancelling aborts its exchange and waits until it let go of them.
        """
        return await self._abortable(self._writes, call, Exchange())

    async def read(self, call: Callable[[Exchange], T], exchange: Exchange | None = None) -> T:
        """Run ``call``, which receives; cancelling aborts its exchange."""
        return await self._abortable(self._reads, call, exchange or Exchange())

    async def control(self, call: Callable[[], T], timeout: float, *, slow: bool = False) -> T:
        """Run ``call``. Raises TimeoutError after ``timeout`` seconds.

        Its thread then ends on its own time.
        """
        future = asyncio.wrap_future((self._slow if slow else self._controls).submit(call))
        future.add_done_callback(_retrieve)
        async with asyncio.timeout(timeout):
            return await asyncio.shield(future)

    async def close(self) -> None:
        """Wait for bodies on their way, then let the threads go; a control call may outlive its deadline."""
        for pool in (self._controls, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._writes, self._reads):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def _abortable(
        self, pool: ThreadPoolExecutor, call: Callable[[Exchange], T], exchange: Exchange
    ) -> T:
        submitted: Future[T] = pool.submit(_letting_go, [call], exchange)
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not submitted.cancel():
                exchange.abort()
                # the caller gives its byte budget back next: that must not happen before the bytes are free
                await asyncio.wait({future}, timeout=_ABORT_GRACE)
            raise


def _letting_go(call: list[Callable[[Exchange], T]], exchange: Exchange) -> T:
    """Take ``call`` out of its list and run it. A thread that was told to stop holds none of the call's bytes
    any more when its future is done, not even in the frames of its error; the executor itself drops both
    only some time after that.
    """
    try:
        return call.pop()(exchange)
    except BaseException:
        if not exchange.aborted:
            raise
    raise Broken("aborted", sent=True)


def _retrieve(future: asyncio.Future[T]) -> None:
    """Nobody may wait any more: its error must neither be logged nor kept, with the bytes in its frames."""
    if not future.cancelled():
        future.exception()
