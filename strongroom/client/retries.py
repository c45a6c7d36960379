"""When a failed call is tried again, and after how long."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import grpc

from strongroom import errors
from strongroom.client.tokens import Tokens

#: Waiting for these is waiting for oneself: an earlier attempt with the same request_id still holds its
#: lease.
WAITING = (errors.RequestInProgress, errors.UploadSuperseded)
#: Statuses of UNAVAILABLE that another attempt does not change.
FINAL = (errors.SourceUrlFailed,)


#: Set where something else waits in the caller's stead (a spool): one more try at once, if any.
BRIEF: ContextVar[bool] = ContextVar("brief", default=False)
BRIEF_ATTEMPTS, BRIEF_SECONDS = 2, 1.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try again what is safe to repeat. Times in seconds.

    ``attempts`` counts tries that failed without progress (the first included); waiting for an earlier
    attempt of the same request to end does not count, but ends with ``max_wait`` too. The pause doubles from
    ``initial_backoff`` to ``max_backoff``, with jitter; a RetryInfo of the service is never undercut.
    ``max_wait`` bounds the sum of all pauses since the last progress. ``attempts=1`` turns retries off. The
    defaults outlast the restart of a service (half a minute) and a lease of 60 s. ``on_retry`` is told the
    error and the pause before each further attempt.
    """

    attempts: int = 10
    initial_backoff: float = 0.2
    max_backoff: float = 10.0
    max_wait: float = 120.0
    on_retry: Callable[[errors.StrongroomError, float], None] | None = None


#: gRPC's clock has an end: what is due behind it would be due at once.
LONGEST_SECONDS = 10 * 365 * 24 * 3600.0


class Deadline:
    """A point in time that every attempt of one operation shares; ``timeout`` None, or longer than anybody
    waits (``math.inf``): never.
    """

    def __init__(self, timeout: float | None) -> None:
        self._end: float | None = None
        if timeout is not None and timeout < LONGEST_SECONDS:
            self._end = time.monotonic() + timeout

    def remaining(self) -> float | None:
        """Seconds left, 0 at least; None: no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def may_repeat(error: errors.StrongroomError) -> bool:
    """Whether another attempt of an idempotent call may succeed: nothing is known to be wrong with the
    request.
    """
    if isinstance(error, FINAL):
        return False
    return error.code is grpc.StatusCode.UNAVAILABLE or isinstance(error, (*WAITING, errors.RateLimited))


class Attempts:
    """The pauses of one operation."""

    def __init__(self, policy: RetryPolicy, tokens: Tokens, deadline: Deadline, *, safe: bool = True) -> None:
        self._policy = policy
        self._tokens = tokens
        self._deadline = deadline
        self._safe = safe
        self._brief = BRIEF.get()
        self._token_renewed = False
        self._failures = 0
        self._waited = 0.0

    def progressed(self) -> None:
        """Something new was achieved: counting starts again."""
        self._failures = 0
        self._waited = 0.0

    async def pause(self, error: errors.StrongroomError) -> None:
        """Sleep until the next attempt is due.

        :raises StrongroomError: ``error`` itself, when there is to be no further attempt.
        """
        if not self._token_renewed and self._tokens.renew_after(error):
            self._token_renewed = True
            return
        # What a limit refuses was refused at the door: nothing has been done that a repeat would do twice.
        if not (self._safe or isinstance(error, errors.RateLimited)) or not may_repeat(error):
            raise error
        if not isinstance(error, WAITING):
            self._failures += 1
        delay = self._delay(error.retry_after)
        if self._brief and (self._failures >= BRIEF_ATTEMPTS or delay > BRIEF_SECONDS):
            raise error
        remaining = self._deadline.remaining()
        out_of_time = remaining is not None and delay >= remaining
        if self._failures >= self._policy.attempts or self._policy.attempts <= 1 or out_of_time:
            raise error
        if self._waited + delay > self._policy.max_wait:
            raise error
        self._waited += delay
        if self._policy.on_retry is not None:
            self._policy.on_retry(error, delay)
        await asyncio.sleep(delay)

    def _delay(self, retry_after: float | None) -> float:
        """Equal jitter over the doubling back-off; on top of RetryInfo where the service sent one."""
        ceiling = min(
            self._policy.max_backoff, self._policy.initial_backoff * 2 ** max(0, self._failures - 1)
        )
        jittered = random.uniform(ceiling / 2, ceiling)
        return jittered if retry_after is None else retry_after + random.uniform(0, ceiling)
