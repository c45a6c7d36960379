"""Attacks by one hostile user while another one works; each attack runs in a process of its own.

An attack runs until it is stopped, and counts the answers by status. All attacks stay on loopback, have a
limited size, and come from ``ADDRESS``, so that limits by address can distinguish them from the other user.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

#: The address of the attacker's connections: loopback, but not the other user's address.
ADDRESS: Final = "127.0.0.66"
#: The status of a request without an answer.
SILENCE: Final = "no answer"


@dataclass(frozen=True)
class Target:
    """The service. ``url``: of the gateway; ``storage``, ``metadata``: ``host:port`` of the gRPC services.

    ``token``: the attacker's. ``key``: of one of the attacker's files, 32 MiB. ``source_port``: the allowed
    port of import sources on loopback.
    """

    url: str
    storage: str
    metadata: str
    token: str
    key: str
    source_port: int

    @property
    def http(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        place = urlsplit(self.url)
        assert place.hostname is not None
        assert place.port is not None
        return place.hostname, place.port


@dataclass
class Attack:
    """A running attack. ``answers`` counts statuses."""

    target: Target
    answers: Counter[str] = field(default_factory=Counter)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the gateway from the attacker's address."""
        return await asyncio.open_connection(*self.target.http, local_addr=(ADDRESS, 0))

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """Request line and headers of a request with the attacker's token."""
        host, port = self.target.http
        first = (f"{method} {path} HTTP/1.1", f"Host: {host}:{port}")
        token = f"Authorization: Bearer {self.target.token}"
        return "\r\n".join((*first, token, *lines, "", "")).encode()

    async def status(self, reader: asyncio.StreamReader, seconds: float = 30.0) -> str:
        """The status of an answer, counted; ``SILENCE`` if none comes in time."""
        try:
            line = await asyncio.wait_for(reader.readline(), seconds)
        except (TimeoutError, OSError):
            line = b""
        found = line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else SILENCE
        self.answers[found] += 1
        return found


Run = Callable[[Attack], Coroutine[Any, Any, None]]


def spread(count: int, one: Run) -> Run:
    """An attack that runs ``count`` of ``one`` in parallel. A closed connection ends only its own run."""

    async def run(attack: Attack) -> None:
        async def quietly() -> None:
            try:
                await one(attack)
            except (OSError, EOFError):
                attack.answers["cut"] += 1

        await asyncio.gather(*(quietly() for _ in range(count)))

    return run
