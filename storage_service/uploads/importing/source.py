"""Opens a source URL: checks and pins each hop, and returns a response whose body can be streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from servicekit.outbound import Resolver, Source, UrlRules
from storage_service.outbound.answer import Answer
from storage_service.outbound.client import DEFAULT_LIMITS, GuardedClient, Timeouts, Unreachable
from storage_service.outbound.wire import WireLimits
from strongroom.errors import SourceUrlFailed, SourceUrlRefused

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "strongroom-import/1",
}


class TransientFailure(Exception):
    """A failure that may pass: no connection, a time-out, 5xx or 429. ``error``: raised after the last
    try.
    """

    def __init__(self, error: SourceUrlFailed) -> None:
        super().__init__(str(error))
        self.error = error


class SourceClient:
    """A guarded HTTP client for sources. One instance per process.

    It ignores the environment (proxies, netrc), keeps no cookies, and uses each connection for one request.
    ``verify``: False for tests with certificates of their own.
    """

    def __init__(
        self,
        rules: UrlRules,
        resolver: Resolver,
        timeouts: Timeouts,
        *,
        verify: bool = True,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        self._rules = rules
        self._client = GuardedClient(resolver, timeouts, verify=verify, limits=limits)

    async def aclose(self) -> None:
        """Close the connections to all sources."""
        await self._client.aclose()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Answer]:
        """Follow redirects and yield the 200 answer, whose body has not been read yet.

        Raises SourceUrlRefused, SourceUrlFailed (final), TransientFailure.
        """
        source = self._rules.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._ask(source) as answer:
                location = answer.headers.get("location")
                if answer.status not in REDIRECTS or location is None:  # 304 and others lead nowhere
                    _check_answer(answer)
                    yield answer
                    return
            source = self._rules.follow(source, location)
        raise SourceUrlRefused(
            f"the source URL redirects more than {MAX_REDIRECTS} times", metadata={"rule": "redirects"}
        )

    @asynccontextmanager
    async def _ask(self, source: Source) -> AsyncIterator[Answer]:
        """Request one hop."""
        try:
            async with self._client.ask(source, _request(source)) as answer:
                yield answer
        except Unreachable as error:
            raise TransientFailure(
                SourceUrlFailed("the source URL could not be reached, or did not answer in time")
            ) from error


def _request(source: Source) -> bytes:
    target = source.url.raw_path.decode("ascii")
    lines = [f"GET {target} HTTP/1.1", f"Host: {source.url.netloc.decode('ascii')}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _check_answer(answer: Answer) -> None:
    status = answer.status
    if status == httpx.codes.OK:
        encoding = answer.headers.get("content-encoding", "identity").lower()
        if encoding not in ("", "identity"):
            raise SourceUrlFailed(
                f"the source URL answers with content-encoding {encoding[:20]!r}, though none was asked for",
                metadata={"status": str(status)},
            )
        return
    failure = SourceUrlFailed(f"the source URL answers {status}", metadata={"status": str(status)})
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise TransientFailure(failure)
    raise failure
