"""Whether the client of a request is still connected.

ASGI tells it through ``receive``, to whoever is waiting there. A handler that waits for gRPC is not, so the
connection also tells here, and what was started for the client is cancelled in the same moment.
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
    """One per request. ``gone``: it has disconnected, or was cut off. ``waiting``: bytes of the body that
    have not been read yet. ``lingers``: set by a handler that wants every byte that came, also of a body that
    stays incomplete; the connection then hands them out although the client has left.
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
        """A block in which ``work`` is cancelled when the client disconnects; the block then ends with
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
