"""The user beside the attacker: sends small requests one after another on one connection, and times each,
whatever the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from benchmarks import http_load, payload

SIZE: Final = 64 * 1024
#: A longer request counts as this long, and as failed.
PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.02
KINDS: Final = ("upload", "GET", "list")


@dataclass
class Felt:
    """The user's observations: seconds by kind of request, and statuses other than success."""

    seconds: Mapping[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)

    def quantile(self, kind: str, share: float) -> float:
        """Seconds within which ``share`` of the requests were answered."""
        times = sorted(self.seconds[kind])
        return times[min(len(times) - 1, int(share * len(times)))]

    def add(self, other: Felt) -> None:
        """Add observations from another time."""
        for kind, times in other.seconds.items():
            self.seconds[kind].extend(times)
        self.failures.update(other.failures)


class Victim:
    """The user. ``file_url``: the URL of one of this user's files, 64 KiB."""

    def __init__(self, url: str, token: str, file_url: str) -> None:
        upload = f"{url}/api/v1/s3/upload"
        body = b"".join(payload.chunks(SIZE)) + payload.form()[1]
        self._requests = {
            "upload": (http_load.upload_head(upload, token, SIZE) + body, "201"),
            "GET": (http_load.head("GET", file_url, token), "200"),
            "list": (http_load.head("GET", f"{url}/api/v1/s3/files?max_keys=50", token), "200"),
        }
        place = urlsplit(url)
        self._address = (place.hostname, place.port)

    def work(self, seconds: float) -> Felt:
        """Send requests of each kind in turn for ``seconds``. Returns the observations."""
        return asyncio.run(self._work(seconds))

    async def _work(self, seconds: float) -> Felt:
        felt = Felt()
        until = time.perf_counter() + seconds
        connection: _Connection | None = None
        while time.perf_counter() < until:
            for kind, (request, success) in self._requests.items():
                began = time.perf_counter()
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        connection = connection or _Connection(*await asyncio.open_connection(*self._address))
                        status = await connection.ask(request)
                except (TimeoutError, OSError, EOFError) as error:
                    status = type(error).__name__
                felt.seconds[kind].append(time.perf_counter() - began)
                if status != success:
                    felt.failures[f"{kind} {status}"] += 1
                    if connection is not None:
                        connection.close()
                    connection = None
                await asyncio.sleep(_PAUSE_SECONDS)
        if connection is not None:
            connection.close()
        return felt


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> str:
        """Send a request and read its whole answer. Returns the status."""
        self._writer.write(request)
        await self._writer.drain()
        status = (await self._reader.readline()).split()[1].decode()
        length = 0
        while (line := await self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await self._reader.readexactly(length)
        return status

    def close(self) -> None:
        self._writer.close()
