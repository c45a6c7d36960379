"""Runs an event loop in a background thread, for callers that have none."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

R = TypeVar("R")

#: Seconds that an interrupted caller waits for its call to clean up.
CLEAN_UP_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for any number of threads of one process. A forked child has the object, but not its
    thread: nothing would ever run there.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._leftovers: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="strongroom-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called, or this is a forked child, where there is nothing to stop."""
        return self._loop.is_closed() or self._inherited

    @property
    def _inherited(self) -> bool:
        """Whether this is a forked child of the process that started the thread."""
        return os.getpid() != self._process

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run ``work`` and return its result. If the waiting thread is interrupted (Ctrl-C), ``work`` is
        cancelled first.

        :raises RuntimeError: after ``stop``; in a forked child; in the loop's own thread (such as a progress
            callback), which would wait for itself.
        """
        if self._inherited:
            work.close()
            raise RuntimeError(
                "this client was made before os.fork(), which gRPC does not survive: fork first, or use"
                " multiprocessing's 'spawn', and make a client in each process"
            )
        if threading.current_thread() is self._thread or self.stopped:
            work.close()
            closed = "this client is closed; make a new one"
            own = "a strongroom.Client can't be called from its own callbacks"
            raise RuntimeError(closed if self.stopped else own)
        ended = threading.Event()
        future: Future[R] = asyncio.run_coroutine_threadsafe(_signalling(work, ended), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(CLEAN_UP_SECONDS)
            raise

    def close_generator(self, generator: AsyncGenerator[Any, None]) -> None:
        """Close a generator from any thread, even the loop's own: the garbage collector runs in all of
        them.
        """
        if self.stopped:
            return
        if threading.current_thread() is self._thread:
            self._leftovers.add(closing := self._loop.create_task(_closing(generator)))
            closing.add_done_callback(self._leftovers.discard)
            return
        self.run(_closing(generator))

    def stop(self) -> None:
        """Cancel running work and end the thread. May be called again."""
        if self.stopped:
            return
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _signalling(work: Coroutine[Any, Any, R], ended: threading.Event) -> R:
    try:
        return await work
    finally:
        ended.set()


async def _closing(generator: AsyncGenerator[Any, None]) -> None:
    await generator.aclose()


async def _end_all() -> None:
    """End all tasks, then unfinished async generators, then the executor's threads."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()
