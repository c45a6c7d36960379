"""One call, as seen by both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc import aio

from servicekit.inprocess.pipe import Pipe

Pairs = tuple[tuple[str, str | bytes], ...]
DEADLINE_DETAILS: Final = "Deadline Exceeded"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. ``local``: by its caller."""

    code: grpc.StatusCode
    details: str = ""
    trailers: Pairs = ()
    local: bool = False


class Exchange:
    """The messages of a call in both directions, and its end.

    The service ends it with ``end``; the caller sees that after taking all responses. ``cut`` ends it for
    both at once: the caller leaves, the deadline passes, the server stops. ``deadline``: seconds of the event
    loop's clock. ``whole``: the caller takes all responses together (it waits for one).
    """

    __slots__ = (
        "__weakref__", "_initial_waiters", "_loop", "_timer", "_waiters", "deadline", "initial", "metadata",
        "on_over", "outcome", "over", "owner", "path", "requests", "responses", "task", "whole",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        metadata: Pairs,
        timeout: float | None,
        *,
        whole: bool,
        owner: object,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.whole = whole
        self.owner = owner
        self._loop = loop
        self.requests = Pipe(loop)
        self.responses = Pipe(loop)
        self.initial: Pairs | None = None
        self.outcome: Outcome | None = None
        self.over = False
        self.task: asyncio.Task[None] | None = None
        self.on_over: Callable[[], None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._initial_waiters: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.deadline: float | None = None
        if timeout is not None:
            self.deadline = loop.time() + timeout
            if timeout <= 0:
                self._expire()
            else:
                self._timer = loop.call_later(timeout, self._expire)

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, 0 when past; None without one."""
        return None if self.deadline is None else max(self.deadline - self._loop.time(), 0.0)

    def _expire(self) -> None:
        self.cut(Outcome(grpc.StatusCode.DEADLINE_EXCEEDED, DEADLINE_DETAILS))

    def begin_responses(self, initial: Pairs = ()) -> None:
        """The service has sent its initial metadata."""
        if self.initial is None:
            self.initial = initial
            if self._initial_waiters:
                _wake(self._initial_waiters)

    def end(self, outcome: Outcome) -> None:
        """Set the outcome. Only a caller who leaves before receiving it can change it afterwards."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        self.begin_responses()
        self.requests.abandon()
        self.responses.finish()
        self.settle()

    def cut(self, outcome: Outcome) -> bool:
        """End the call now, for both sides; False if it is over already."""
        if self.over:
            return False
        ended = self.outcome is not None
        self.outcome = outcome
        self.requests.abandon()
        self.responses.abandon()
        if self.task is not None and not ended:
            self.task.cancel()
        self._close()
        return True

    def settle(self) -> None:
        """After taking a response: note whether the caller has received everything."""
        if not self.over and self.outcome is not None and (self.whole or self.responses.empty):
            self._close()

    def _close(self) -> None:
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiters:
            _wake(self._waiters)
        if self._initial_waiters:
            _wake(self._initial_waiters)
        if self.on_over is not None:
            self.on_over()
            self.on_over = None

    async def until_over(self) -> None:
        """Wait until the call is over."""
        while not self.over:
            turn = self._loop.create_future()
            self._waiters.append(turn)
            await turn

    async def until_begun(self) -> None:
        """Wait until the initial metadata is sent, or the call ends without it."""
        while self.initial is None and not self.over:
            turn = self._loop.create_future()
            self._initial_waiters.append(turn)
            await turn

    @property
    def failed(self) -> bool:
        """Whether a call that is over has failed."""
        return self.outcome is not None and self.outcome.code is not grpc.StatusCode.OK

    def error(self) -> BaseException:
        """The exception for the caller of a failed call."""
        found = self.outcome
        if found is None:
            raise RuntimeError("the call is not over")
        if found.local:
            return asyncio.CancelledError()
        return aio.AioRpcError(
            found.code,
            aio.Metadata(*(self.initial or ())),
            aio.Metadata(*found.trailers),
            details=found.details,
            debug_error_string=f"{self.path}: {found.code.name}",
        )


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for turn in waiters:
        if not turn.done():
            turn.set_result(None)
    waiters.clear()


def pairs_of(metadata: Any) -> Pairs:
    """Metadata in any of gRPC's forms, as pairs."""
    return tuple(metadata) if metadata else ()


def size_of(metadata: Pairs) -> int:
    """The size of metadata as counted by HTTP/2 (RFC 9113 section 6.5.2)."""
    size = 32 * len(metadata)
    for key, value in metadata:
        size += len(key) + len(value)
    return size
