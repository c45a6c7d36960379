"""Shared by the adapter's parts: the two ways of calling the store, retries, and checks of botocore's
replies.

Retries are decided only here; botocore's own are off.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from storage_service.objectstore import errors as domain
from storage_service.objectstore.errors import StoreError, StoreUnavailable
from storage_service.objectstore.s3 import errors
from storage_service.objectstore.s3.client import Exchange, LightClient, LightRequest, Offload
from storage_service.objectstore.s3.credentials import CredentialSource
from storage_service.objectstore.s3.http.connection import Connection, Head
from storage_service.objectstore.s3.http.sigv4 import SigV4
from storage_service.objectstore.s3.liveness import Liveness
from storage_service.objectstore.s3.metrics import S3Calls
from storage_service.objectstore.s3.options import Endpoint, S3Options
from storage_service.objectstore.values import Doubtful


def require(reply: object, member: str, operation: str, *, outcome_unknown: bool) -> None:
    """Raises StoreUnavailable for a reply without a member that S3 always sends."""
    found = reply.get(member) if isinstance(reply, Mapping) else None
    if found is None or found in ("", {}):  # False is a valid value
        raise StoreUnavailable(
            "The object store's answer is incomplete; try again in a moment.",
            operation=operation,
            outcome_unknown=outcome_unknown,
        )


def next_page(
    page: Mapping[str, Any], current: Mapping[str, Any], markers: Mapping[str, str]
) -> dict[str, Any]:
    """Return the parameters that request the next page; empty after the last.

    ``markers``: member of the page → parameter of the next request. Raises StoreUnavailable if a listing is
    truncated but has no marker, or the same one as before.
    """
    if not page["IsTruncated"]:
        return {}
    following = {parameter: page.get(member) for member, parameter in markers.items()}
    named = {parameter: marker for parameter, marker in following.items() if marker}
    if not named or named == current:
        raise StoreUnavailable("The object store's listing is cut off without saying where it goes on.")
    return named


T = TypeVar("T")

BASE_DELAY = 0.1
MAX_DELAY = 5.0


class RetryPolicy:
    """Repeats calls that failed with a ``retryable`` error, after an exponential delay with full jitter.

    Every call of the adapter may be repeated: keys and parts are written with the same bytes, a second Create
    leaves an upload that the cleaner aborts, and a second Complete or Abort finds its upload gone.
    """

    def __init__(
        self,
        max_attempts: int,
        *,
        try_seconds: float = math.inf,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_attempts = max(1, max_attempts)
        self._try_seconds = try_seconds
        self._sleep = sleep
        self._clock = clock

    async def run(
        self, attempt: Callable[[], Awaitable[T]], doubtful: Doubtful | None = None, *, work: float = 0.0
    ) -> T:
        """Return the result of the first attempt that succeeds, or raise the last error.

        One attempt may wait for ``try_seconds`` plus ``work``, and all together for a little over twice
        ``try_seconds`` plus ``work``, so that the caller gets an answer in time. An error's ``waited`` counts
        instead of the attempt's duration, because time in which a body was transferred is not waiting.

        The error's ``outcome_unknown`` is true if it was for any attempt, and ``doubtful`` is set then.
        """
        unknown, left = False, 2.25 * self._try_seconds + work
        for number in range(self._max_attempts):
            began = self._clock()
            try:
                return await attempt()
            except StoreError as error:
                unknown = error.outcome_unknown = error.outcome_unknown or unknown
                if unknown and doubtful is not None:
                    doubtful.is_so = True
                delay = self._delay(number, error.retry_after)
                left -= delay + (self._clock() - began if error.waited is None else error.waited)
                too_late = left < self._try_seconds + work
                if not error.retryable or number + 1 == self._max_attempts or too_late:
                    raise
            await self._sleep(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _delay(self, number: int, retry_after: float | None) -> float:
        backoff = random.uniform(0, min(MAX_DELAY, BASE_DELAY * 4**number))
        return max(backoff, min(retry_after or 0.0, MAX_DELAY))


if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LONGEST_LETTER: Final = 12
"""Characters of a URL for one character of a key, at most: four bytes of UTF-8, three characters each."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Context:
    """Clients and settings of one bucket. ``on_mid_body`` is called in the middle of each body that is
    sent.
    """

    settings: S3Options
    client: S3Client
    slow_client: S3Client
    light: LightClient
    offload: Offload
    retry: RetryPolicy
    credentials: CredentialSource
    signer: SigV4
    public_endpoint: Endpoint
    liveness: Liveness | None = None
    on_mid_body: Callable[[str], None] | None = None
    calls: S3Calls = field(default_factory=S3Calls)

    def check_key(self, key: str, operation: str) -> None:
        """Raises KeyTooLong for a key that the store can't hold, before it is sent."""
        limit = self.settings.max_key_bytes
        if len(key) * _LONGEST_LETTER > limit and len(quote(key, safe="/")) > limit:
            raise domain.KeyTooLong(
                f"With what stands before it, the path is longer than {limit} bytes (as in a URL), the most"
                " that the object store can hold; shorten it.",
                limit=limit,
                operation=operation,
            )

    async def control(
        self,
        operation: str,
        call: Callable[[S3Client], T],
        *,
        work: float = 0.0,
        option: str = "",
        needs: str = "",
        doubtful: Doubtful | None = None,
    ) -> T:
        """Make a botocore call with retries. Raises StoreError.

        ``needs``: a member that the reply must have. ``work``: seconds that the store may need beyond an
        ordinary reply.
        """
        changes = errors.may_change(operation)
        client = self.slow_client if work else self.client
        timeout = min(self.settings.reply_timeout + work, self.settings.slow_reply_timeout)

        def blocking() -> T:
            try:
                self.credentials.current()  # raises NoCredentials; botocore's own errors vary
                reply = call(client)
                if needs:
                    require(reply, needs, operation, outcome_unknown=changes)
                self._heard()
                return reply
            except Exception as error:
                raise self._translated(error, operation, option, parsing=True) from error

        async def attempt() -> T:
            try:
                return await self.offload.control(blocking, timeout, slow=work > 0)
            except TimeoutError as error:
                raise domain.StoreTimeout(operation=operation, outcome_unknown=changes) from error

        counted = self.calls.counted(operation, attempt)
        return await self.tried(operation, counted, doubtful, work=work)

    async def parsed(
        self,
        operation: str,
        call: Callable[[S3Client], T],
        parse: Callable[[T], R],
        *,
        needs: str,
        work: float = 0.0,
        option: str = "",
        doubtful: Doubtful | None = None,
    ) -> R:
        """Like ``control``, but return what ``parse`` makes of the reply. Raises StoreError.

        A reply that can't be parsed counts as missing, and the call is repeated.
        """

        def call_and_read(client: S3Client) -> R:
            reply = call(client)
            require(reply, needs, operation, outcome_unknown=errors.may_change(operation))
            return parse(reply)

        return await self.control(operation, call_and_read, work=work, option=option, doubtful=doubtful)

    async def send(
        self, operation: str, request: LightRequest, *, option: str = "", doubtful: Doubtful | None = None
    ) -> Head:
        """Send a light request that carries bytes, with retries. Raises StoreError."""

        async def attempt() -> Head:
            if (connection := self.light.for_loop(request)) is not None:
                return await self._call_on_loop(operation, request, connection, option)
            return await self.offload.write(lambda exchange: self._call(operation, request, exchange, option))

        counted = self.calls.counted(operation, attempt, size=request.size)
        return await self.tried(operation, counted, doubtful)

    async def fetch(self, operation: str, request: LightRequest, parse: Callable[[Head], R]) -> R:
        """Send a light request that only reads, with retries, and return what ``parse`` makes of the reply.

        Raises StoreError.
        """

        async def attempt() -> R:
            if (connection := self.light.for_loop(request)) is not None:
                return parse(await self._call_on_loop(operation, request, connection, ""))
            return parse(
                await self.offload.read(lambda exchange: self._call(operation, request, exchange, ""))
            )

        return await self.tried(operation, self.calls.counted(operation, attempt))

    async def tried(
        self,
        operation: str,
        attempt: Callable[[], Awaitable[T]],
        doubtful: Doubtful | None = None,
        *,
        work: float = 0.0,
    ) -> T:
        """Return the result of the first attempt that succeeds (RetryPolicy.run). While the store answers no
        call, it is ended, or refused at once. Raises StoreError.
        """
        if self.liveness is None:
            return await self.retry.run(attempt, doubtful, work=work)
        tries = partial(self.retry.run, attempt, doubtful, work=work)
        return await self.liveness.watched(operation, tries, changes=errors.may_change(operation))

    def _call(self, operation: str, request: LightRequest, exchange: Exchange, option: str) -> Head:
        exchange.sent_at = None
        try:
            head = self.light.call(request, exchange)
        except Exception as error:
            raise self._of_body(self._translated(error, operation, option), request, exchange) from error
        self._answered(head)
        return head

    async def _call_on_loop(
        self, operation: str, request: LightRequest, connection: Connection, option: str
    ) -> Head:
        exchange = Exchange()
        try:
            head = await self.light.call_on_loop(request, exchange, connection)
        except Exception as error:
            raise self._of_body(self._translated(error, operation, option), request, exchange) from error
        self._answered(head)
        return head

    def _answered(self, head: Head) -> None:
        self._heard()
        self.calls.dated(head.headers.get("date"))

    def _of_body(
        self, error: domain.StoreError, request: LightRequest, exchange: Exchange
    ) -> domain.StoreError:
        """Set how long nothing moved before ``error``, if the request had a body to send."""
        if request.size and exchange.sent_at is not None:
            error.waited = time.monotonic() - exchange.sent_at
        elif request.size:
            error.waited = self.settings.read_timeout if isinstance(error, domain.StoreTimeout) else 0.0
        return error

    def _translated(
        self, error: Exception, operation: str, option: str, *, parsing: bool = False
    ) -> domain.StoreError:
        """Translate ``error``; an error reply also counts as a sign of life."""
        found = errors.translate(error, operation, option=option, parsing=parsing)
        if found.http_status is not None:
            self._heard()
        return found

    def _heard(self) -> None:
        if self.liveness is not None:
            self.liveness.answered()

    def mid_body(self, name: str) -> Callable[[], None] | None:
        """Return LightRequest.mid_body: a call of the hook with the failpoint's name."""
        hook = self.on_mid_body
        return None if hook is None else lambda: hook(name)
