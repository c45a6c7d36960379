"""An asyncio loop in a separate thread, for proxies used by synchronous tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from servicekit.serving.server import loop_factory

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class BackgroundLoop:
    """An event loop in a thread, which runs servers, and coroutines for any thread.

    ``close`` stops listening and cancels what is running.
    """

    def __init__(self, name: str) -> None:
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._servers: list[asyncio.Server] = []
        self._handlers: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float = 60.0) -> T:
        """Run ``coroutine`` and wait for its result from another thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def serve(self, handler: Handler, *, limit: int = 1 << 16) -> int:
        """Call ``handler`` for each connection to a free loopback port. Returns the port."""
        return self.run(self._listen(handler, limit))

    def close(self) -> None:
        """End the loop and its thread."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    async def _listen(self, handler: Handler, limit: int) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            # asyncio drops its reference when the client hangs up, and a waiting handler would be
            # garbage-collected
            self._handlers.add(task)
            try:
                await handler(reader, writer)
            except asyncio.CancelledError:
                return  # the loop is closing; Python 3.11's asyncio reports a cancelled handler as an error
            finally:
                self._handlers.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=limit)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        """Give connections just accepted a moment first: a task cancelled before its first step closes
        nothing.
        """
        for server in self._servers:
            server.close()
        await asyncio.sleep(0.05)
        while others := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.01)
