"""Sends one request to a checked address and reads the head of the answer.

Redirects are left to the caller: each is a new request, to an address that is checked again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from servicekit.outbound import Resolver, Source, check_addresses
from storage_service.outbound.answer import Answer
from storage_service.outbound.wire import BrokenConnection, Connection, Dialer, WireLimits

DEFAULT_LIMITS: Final = WireLimits()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: ``connect`` for one connection, ``idle`` between two reads."""

    connect: float
    idle: float


class Unreachable(Exception):
    """No connection, a time-out, or no answer: a retry may help. Never leaves the service."""


class GuardedClient:
    """One instance per use case. ``verify`` is for tests with their own certificates.

    It ignores the environment (proxies, netrc), keeps no cookies, and uses each connection for one request.
    """

    def __init__(
        self,
        resolver: Resolver,
        timeouts: Timeouts,
        *,
        verify: bool = True,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        self._resolver = resolver
        self._dialer = Dialer(verify, timeouts.connect, timeouts.idle, limits)
        self._open: set[Connection] = set()

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            await connection.aclose()

    @asynccontextmanager
    async def ask(self, source: Source, request: bytes) -> AsyncIterator[Answer]:
        """Send ``request`` (as on the wire) and read the answer's head, whatever its status.

        Raises Unreachable, SourceUrlRefused (an address that is not public), SourceUrlFailed (a limit was
        exceeded).
        """
        connection = await self._connect(source)
        self._open.add(connection)
        try:
            answer = Answer(connection)
            try:
                await connection.send(request)
                await answer.read_head()
            except BrokenConnection as error:
                raise Unreachable from error
            yield answer
        finally:
            self._open.discard(connection)
            await connection.aclose()

    async def _connect(self, source: Source) -> Connection:
        """Connect to a checked address under the requested name."""
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
                raise Unreachable from error
        raise Unreachable from failure
