"""What the parts of the adapter share: the two ways in which they call the store, second tries, decided here
and nowhere else (botocore's own are off), and checks of botocore's replies.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
    if found is None or found in ("", {}):  # False is an answer
        raise StoreUnavailable(
            "The object store's answer is incomplete; try again in a moment.",
            operation=operation,
            outcome_unknown=outcome_unknown,
        )


def next_page(
    page: Mapping[str, Any], current: Mapping[str, Any], markers: Mapping[str, str]
) -> dict[str, Any]:
    """Parameters that ask for the page after this one; none after the last.

    ``markers``: member of the page → parameter of the next request. Raises StoreUnavailable where a listing
    says that it goes on, but not where, or where it has been already.
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
    """Repeats what failed with a ``retryable`` error, after an exponential delay with full jitter.

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
        """The result of the first attempt that succeeds, or the last error.

        An attempt may wait for ``try_seconds`` and ``work``; all together for a little over twice the first,
        so that whoever waits for the result is told in time. What an error says that it ``waited`` counts
        rather than its duration: the time in which a body moved is not waiting.

        ``outcome_unknown`` of that error is true as soon as it was for any attempt; ``doubtful`` is told so
        too.
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
"""Four bytes of UTF-8, each three characters of a URL."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Context:
    """Clients and settings of one bucket. ``on_mid_body`` is told in the middle of each body that is sent."""

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
        """A key that the store can't hold is not sent. Raises KeyTooLong."""
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
        """A botocore call with retries; ``needs`` is a member that its reply must have. Raises StoreError.

        ``work``: seconds that the store may need for what it is asked, beyond an ordinary reply.
        """
        changes = errors.may_change(operation)
        client = self.slow_client if work else self.client
        timeout = min(self.settings.reply_timeout + work, self.settings.slow_reply_timeout)

        def blocking() -> T:
            try:
                self.credentials.current()  # without any, botocore fails in its own ways
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

        async with self.watched(operation):
            return await self.retry.run(self.calls.counted(operation, attempt), doubtful, work=work)

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
        """As ``control``, with what ``parse`` makes of the reply; one that it can't read is as good as none,
        and asked for again. Raises StoreError.
        """

        def call_and_read(client: S3Client) -> R:
            reply = call(client)
            require(reply, needs, operation, outcome_unknown=errors.may_change(operation))
            return parse(reply)

        return await self.control(operation, call_and_read, work=work, option=option, doubtful=doubtful)

    async def send(
        self, operation: str, request: LightRequest, *, option: str = "", doubtful: Doubtful | None = None
    ) -> Head:
        """A light request that carries bytes, with retries. Raises StoreError."""

        async def attempt() -> Head:
            if (connection := self.light.for_loop(request)) is not None:
                return await self._call_on_loop(operation, request, connection, option)
            return await self.offload.write(lambda exchange: self._call(operation, request, exchange, option))

        async with self.watched(operation):
            return await self.retry.run(self.calls.counted(operation, attempt, size=request.size), doubtful)

    async def fetch(self, operation: str, request: LightRequest, parse: Callable[[Head], R]) -> R:
        """What ``parse`` makes of the answer to a light request that only asks, with retries. Raises
        StoreError.
        """

        async def attempt() -> R:
            if (connection := self.light.for_loop(request)) is not None:
                return parse(await self._call_on_loop(operation, request, connection, ""))
            return parse(
                await self.offload.read(lambda exchange: self._call(operation, request, exchange, ""))
            )

        async with self.watched(operation):
            return await self.retry.run(self.calls.counted(operation, attempt))

    @asynccontextmanager
    async def watched(self, operation: str) -> AsyncIterator[None]:
        """Around a call: ended, or refused at once, while the store answers nobody. Raises StoreTimeout."""
        if self.liveness is None:
            yield
            return
        async with self.liveness.watched(operation, changes=errors.may_change(operation)):
            yield

    def _call(self, operation: str, request: LightRequest, exchange: Exchange, option: str) -> Head:
        exchange.sent_at = None
        with self._understood(operation, request, exchange, option):
            head = self.light.call(request, exchange)
        self._answered(head)
        return head

    async def _call_on_loop(
        self, operation: str, request: LightRequest, connection: Connection, option: str
    ) -> Head:
        exchange = Exchange()
        with self._understood(operation, request, exchange, option):
            head = await self.light.call_on_loop(request, exchange, connection)
        self._answered(head)
        return head

    @contextmanager
    def _understood(
        self, operation: str, request: LightRequest, exchange: Exchange, option: str
    ) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise self._of_body(self._translated(error, operation, option), request, exchange) from error

    def _answered(self, head: Head) -> None:
        self._heard()
        self.calls.dated(head.headers.get("date"))

    def _of_body(
        self, error: domain.StoreError, request: LightRequest, exchange: Exchange
    ) -> domain.StoreError:
        """``error``, with how long nothing moved before it where the request had bytes to send."""
        if request.size and exchange.sent_at is not None:
            error.waited = time.monotonic() - exchange.sent_at
        elif request.size:
            error.waited = self.settings.read_timeout if isinstance(error, domain.StoreTimeout) else 0.0
        return error

    def _translated(
        self, error: Exception, operation: str, option: str, *, parsing: bool = False
    ) -> domain.StoreError:
        """``errors.translate``; a reply that says no is a reply."""
        found = errors.translate(error, operation, option=option, parsing=parsing)
        if found.http_status is not None:
            self._heard()
        return found

    def _heard(self) -> None:
        if self.liveness is not None:
            self.liveness.answered()

    def mid_body(self, name: str) -> Callable[[], None] | None:
        """For LightRequest.mid_body: a call of the hook with the failpoint's name."""
        hook = self.on_mid_body
        return None if hook is None else lambda: hook(name)
