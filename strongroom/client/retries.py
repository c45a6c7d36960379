"""Decides whether and when a failed call is retried."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import grpc

from strongroom import errors
from strongroom.client.arguments import expect
from strongroom.client.tokens import Tokens

#: Errors that mean waiting for an earlier attempt with the same request_id, which still holds its lease.
WAITING = (errors.RequestInProgress, errors.UploadSuperseded)
#: Errors with status UNAVAILABLE that another attempt doesn't change.
FINAL = (errors.SourceUrlFailed,)


#: Set if a spool waits instead of the caller: then there is at most one more try, at once.
BRIEF: ContextVar[bool] = ContextVar("brief", default=False)
BRIEF_ATTEMPTS, BRIEF_SECONDS = 2, 1.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to retry calls that are safe to repeat. Times in seconds.

    ``attempts``: the most tries without progress, including the first. Waiting for an earlier attempt of the
    same request does not count, but is limited by ``max_wait``, too. The pause doubles from
    ``initial_backoff`` to ``max_backoff``, with jitter; it is never shorter than the service's RetryInfo.
    ``max_wait`` limits the sum of all pauses since the last progress. ``attempts=1`` turns retries off. The
    defaults are longer than the restart of a service (half a minute) and the lease of a dead attempt (10 s
    by default). ``on_retry`` is called with the error and the pause before each further attempt.
    """

    attempts: int = 10
    initial_backoff: float = 0.2
    max_backoff: float = 10.0
    max_wait: float = 120.0
    on_retry: Callable[[errors.StrongroomError, float], None] | None = None


#: gRPC can't represent later deadlines and would treat them as passed.
LONGEST_SECONDS = 10 * 365 * 24 * 3600.0


class Deadline:
    """A point in time shared by all attempts of one operation. ``timeout`` in seconds; None or very long
    (``math.inf``): never.
    """

    def __init__(self, timeout: float | None) -> None:
        expect(timeout, int | float | None, "timeout is a number of seconds")
        self._end: float | None = None
        if timeout is not None and timeout < LONGEST_SECONDS:
            self._end = time.monotonic() + timeout

    def remaining(self) -> float | None:
        """Return the seconds left, at least 0; None without an end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def may_repeat(error: errors.StrongroomError) -> bool:
    """Whether another attempt of an idempotent call may succeed, because the request itself is not known to
    be wrong.
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
        self._last: errors.StrongroomError | None = None

    def progressed(self) -> None:
        """Note progress, which restarts the counting."""
        self._failures = 0
        self._waited = 0.0
        self._last = None

    async def pause(self, error: errors.StrongroomError) -> None:
        """Sleep until the next attempt is due.

        :raises StrongroomError: ``error`` itself, if there is no further attempt; if it is only that time ran
            out, the one before it, which says why.
        """
        if isinstance(error, errors.DeadlineExceeded) and self._last is not None:
            raise self._last
        if not self._token_renewed and self._tokens.renew_after(error):
            self._token_renewed = True
            return
        # A request refused by a limit was not begun, so a repeat does nothing twice.
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
        self._last = error
        if self._policy.on_retry is not None:
            self._policy.on_retry(error, delay)
        await asyncio.sleep(delay)

    def _delay(self, retry_after: float | None) -> float:
        """Return the doubling back-off with equal jitter, added to RetryInfo if the service sent one."""
        ceiling = min(
            self._policy.max_backoff, self._policy.initial_backoff * 2 ** max(0, self._failures - 1)
        )
        jittered = random.uniform(ceiling / 2, ceiling)
        return jittered if retry_after is None else retry_after + random.uniform(0, ceiling)
