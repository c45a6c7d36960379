"""Sends one POST to a webhook's target, under the rules of imports.

Only public addresses, no redirects, little of the answer's body, and everything within a time limit.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from dataclasses import dataclass
from typing import Final

from servicekit.outbound import Source, UrlRules
from storage_service.outbound.answer import Answer
from storage_service.outbound.client import GuardedClient, Unreachable
from storage_service.outbound.wire import BrokenConnection
from strongroom.errors import SourceUrlFailed, SourceUrlRefused
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery

MOST_BODY: Final = 16 * 1024
"""The most bytes read of an answer's body. Its content does not matter."""
_ASKED_TO_WAIT: Final = frozenset({429, 503})
_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: of the answer; 0: none. ``failure``: why it does not count as delivered; empty: it does.

    ``retry_after``: seconds that the target asks to wait.
    """

    status: int = 0
    failure: str = ""
    retry_after: float = 0.0


class TargetClient:
    """Sends requests. ``seconds``: limit of one request, connection and answer included."""

    def __init__(self, rules: UrlRules, client: GuardedClient, seconds: float) -> None:
        self._rules = rules
        self._client = client
        self._seconds = seconds

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(self, delivery: ClaimedDelivery) -> Outcome:
        """Send one delivery. Never raises for what a target does."""
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await self._post(delivery)
        except SourceUrlRefused as error:
            return Outcome(failure=_said(error))
        except SourceUrlFailed as error:
            return Outcome(failure=_said(error))
        except Unreachable:
            return Outcome(failure="the target could not be reached, or did not answer")
        except TimeoutError:
            if not limit.expired():
                raise
            return Outcome(failure=f"the target took longer than {self._seconds:g} s")

    async def _post(self, delivery: ClaimedDelivery) -> Outcome:
        source = self._rules.check(delivery.url)
        async with self._client.ask(source, request_of(source, delivery)) as answer:
            await _skip_body(answer)
            status = answer.status
            if status in range(200, 300):
                return Outcome(status)
            failure = f"the target answers {status}"
            if status in _REDIRECTS:
                failure += "; redirects are not followed, name the new URL"
            wait = _seconds_of(answer.headers.get("retry-after", "")) if status in _ASKED_TO_WAIT else 0.0
            return Outcome(status, failure, wait)


def request_of(source: Source, delivery: ClaimedDelivery) -> bytes:
    """The request as bytes of HTTP/1.1."""
    lines = [
        f"POST {source.url.raw_path.decode('ascii')} HTTP/1.1",
        f"Host: {source.url.netloc.decode('ascii')}",
        "User-Agent: strongroom-webhooks/1",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        f"Content-Length: {len(delivery.body)}",
        f"webhook-id: {delivery.message_id}",
        f"webhook-timestamp: {delivery.timestamp}",
        f"webhook-signature: {delivery.signature}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + delivery.body


async def _skip_body(answer: Answer) -> None:
    """Read a small body to its end, and at most MOST_BODY of a large one. Errors don't matter: the status is
    known.
    """
    read = 0
    try:
        async for piece in answer.pieces():
            read += len(piece)
            if read >= MOST_BODY:
                return
    except (BrokenConnection, SourceUrlFailed):
        return


def _seconds_of(text: str) -> float:
    """Parse Retry-After: seconds or a date (RFC 9110 section 10.2.3); 0 for anything else."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return 0.0
    left = moment - time.time()
    return left if left > 0 and math.isfinite(left) else 0.0


def _said(error: SourceUrlFailed | SourceUrlRefused) -> str:
    return error.message.replace("the source URL", "the target", 1)[:500]
