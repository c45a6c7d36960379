"""Opens a source URL: every hop checked and pinned, then a response whose body can be streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from storage_service.importing.addresses import Resolver, check_addresses
from storage_service.importing.urls import Source, UrlRules
from strongroom.errors import SourceUrlFailed, SourceUrlRefused

MAX_REDIRECTS = 3
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "strongroom-import/1"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: ``connect`` for one connection, ``idle`` between two reads."""

    connect: float
    idle: float


class TransientFailure(Exception):
    """Worth another try: no connection, a time-out, 5xx or 429. ``error`` is what the caller gets in the
    end.
    """

    def __init__(self, error: SourceUrlFailed) -> None:
        super().__init__(str(error))
        self.error = error


class SourceClient:
    """A guarded HTTP client; one per process. ``verify`` is for tests with their own certificates."""

    def __init__(
        self, rules: UrlRules, resolver: Resolver, timeouts: Timeouts, *, verify: bool = True
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        # No environment (proxies, netrc), no cookies kept, no redirects followed without us.
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            verify=verify,
            timeout=httpx.Timeout(timeouts.idle, connect=timeouts.connect),
            limits=httpx.Limits(max_keepalive_connections=0),
            headers=HEADERS,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[httpx.Response]:
        """A 200 response, its body not read yet.

        Raises SourceUrlRefused, SourceUrlFailed (final), TransientFailure.
        """
        source = self._rules.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(source)
            try:
                if not response.has_redirect_location:  # 304 and the like lead nowhere
                    _check_response(response)
                    yield response
                    return
                source = self._rules.check(_location(source, response))
            finally:
                await response.aclose()
        raise SourceUrlRefused(
            f"the source URL redirects more than {MAX_REDIRECTS} times", metadata={"rule": "redirects"}
        )

    async def _get(self, source: Source) -> httpx.Response:
        """One hop: connect to an address that was checked, under the name that was asked for."""
        addresses = await self._resolver.resolve(source.host, source.port)
        if not source.exempt:
            check_addresses(addresses)
        failure: Exception | None = None
        for address in addresses:
            pinned = source.url.copy_with(host=str(address), port=source.port, fragment=None)
            request = self._client.build_request("GET", pinned, headers={"Host": source.url.netloc.decode()})
            request.extensions["sni_hostname"] = source.host
            self._client.cookies.clear()
            try:
                return await self._client.send(request, stream=True)
            except httpx.ConnectError as error:
                failure = error
            except httpx.TransportError as error:
                raise _unreachable() from error
        raise _unreachable() from failure


def _unreachable() -> TransientFailure:
    return TransientFailure(SourceUrlFailed("the source URL could not be reached, or did not answer in time"))


def _location(source: Source, response: httpx.Response) -> str:
    """Where a redirect leads, relative to the URL that was asked for (not to the pinned address)."""
    try:
        return str(source.url.join(response.headers.get("location", "")))
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceUrlRefused(
            "the source URL redirects to no valid URL", metadata={"rule": "form"}
        ) from error


def _check_response(response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.OK:
        encoding = response.headers.get("content-encoding", "identity").lower()
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
