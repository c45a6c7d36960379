"""Whether the client of a request is still connected.

ASGI reports a disconnect only to a handler that waits in ``receive``. A handler that waits for gRPC does not,
so the connection also reports it here, and the work started for the client is cancelled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol, Self

from gateway.http.problems import ClientGone

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
