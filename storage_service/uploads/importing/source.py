"""Opens a source URL: every hop checked and pinned, then a response whose body can be streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from storage_service.uploads.importing.addresses import Resolver, Source, UrlRules, check_addresses
from storage_service.uploads.importing.answer import Answer
from storage_service.uploads.importing.wire import (
    BrokenConnection,
    Connection,
    Dialer,
    WireLimits,
    tls_context,
)
from strongroom.errors import SourceUrlFailed, SourceUrlRefused

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "strongroom-import/1",
}
DEFAULT_LIMITS = WireLimits()


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
    """A guarded HTTP client; one per process. ``verify`` is for tests with their own certificates.

    Nothing of the environment is used (proxies, netrc), no cookies are kept, and every connection serves
    one request.
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
        self._resolver = resolver
        self._dialer = Dialer(tls_context(verify=verify), timeouts.connect, timeouts.idle, limits)
        self._open: set[Connection] = set()

    async def aclose(self) -> None:
        """Hang up on every source."""
        for connection in list(self._open):
            await connection.aclose()

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Answer]:
        """A 200 answer, its body not read yet.

        Raises SourceUrlRefused, SourceUrlFailed (final), TransientFailure.
        """
        source = self._rules.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._ask(source) as answer:
                location = answer.headers.get("location")
                if answer.status not in REDIRECTS or location is None:  # 304 and the like lead nowhere
                    _check_answer(answer)
                    yield answer
                    return
            source = self._rules.follow(source, location)
        raise SourceUrlRefused(
            f"the source URL redirects more than {MAX_REDIRECTS} times", metadata={"rule": "redirects"}
        )

    @asynccontextmanager
    async def _ask(self, source: Source) -> AsyncIterator[Answer]:
        """One hop."""
        connection = await self._connect(source)
        self._open.add(connection)
        try:
            answer = Answer(connection)
            try:
                await connection.send(_request(source))
                await answer.read_head()
            except BrokenConnection as error:
                raise _unreachable() from error
            yield answer
        finally:
            self._open.discard(connection)
            await connection.aclose()

    async def _connect(self, source: Source) -> Connection:
        """To an address that was checked, under the name that was asked for."""
        addresses = await self._resolver.resolve(source.host, source.port)
        if not source.exempt:
            check_addresses(addresses)
        tls_name = source.host.rstrip(".") if source.url.scheme == "https" else None
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._dialer.dial(address, source.port, tls_name)
            except OSError as error:
                failure = error
            except BrokenConnection as error:
                raise _unreachable() from error
        raise _unreachable() from failure


def _request(source: Source) -> bytes:
    target = source.url.raw_path.decode("ascii")
    lines = [f"GET {target} HTTP/1.1", f"Host: {source.url.netloc.decode('ascii')}"]
    lines += [f"{name}: {value}" for name, value in HEADERS.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _unreachable() -> TransientFailure:
    return TransientFailure(SourceUrlFailed("the source URL could not be reached, or did not answer in time"))


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
