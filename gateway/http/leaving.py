"""What ends requests early: a client that leaves, and this process when it shuts down.

ASGI reports a disconnect only to a handler that waits in ``receive``. A handler that waits for gRPC does not,
so the connection also reports it here, and the work started for the client is cancelled at once. At shutdown
health checks fail first, then no request is accepted, and requests that don't end in time get an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from gateway.http.problems import ClientGone
from strongroom.errors import ServiceUnavailable

#: Scope key under which the server keeps the request's ``Client``.
CLIENT: Final = "strongroom.client"


class Cancellable(Protocol):
    """A gRPC call or a task."""

    def cancel(self) -> Any: ...


class Client:
    """One per request.

    ``gone``: it has disconnected or was cut off. ``waiting``: bytes of the body that are not read yet.
    ``lingers``: set by a handler that wants all received bytes, also of an incomplete body; the connection
    then delivers them even after the client has left.
    """

    __slots__ = ("_callbacks", "gone", "lingers", "waiting")

    def __init__(self) -> None:
        self.gone = False
        self.lingers = False
        self.waiting = 0
        self._callbacks: list[Callable[[], Any]] = []

    def leave(self) -> None:
        """Called by the connection when it has ended."""
        self.gone = True
        for callback in tuple(self._callbacks):
            callback()

    def cancels(self, work: Cancellable) -> Watching:
        """A context manager that cancels ``work`` when the client disconnects; the block then raises
        ClientGone.
        """
        return Watching(self, work)

    def add(self, callback: Callable[[], Any]) -> None:
        """Call ``callback`` when the client disconnects; at once if it already has."""
        self._callbacks.append(callback)
        if self.gone:
            callback()

    def remove(self, callback: Callable[[], Any]) -> None:
        """Undo ``add``."""
        self._callbacks.remove(callback)


class Watching:
    """See ``Client.cancels``."""

    __slots__ = ("_cancel", "_client")

    def __init__(self, client: Client, work: Cancellable) -> None:
        self._client = client
        self._cancel = work.cancel

    def __enter__(self) -> Self:
        self._client.add(self._cancel)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.remove(self._cancel)
        if self._client.gone and isinstance(error, asyncio.CancelledError):
            raise ClientGone from None


#: Pause that callers are told when this process stops.
RETRY_SECONDS: Final = 1.0


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
