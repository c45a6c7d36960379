"""Reads one HTTP answer from a metered connection.

It is parsed by llhttp: a piece of 64 KiB costs a millisecond, whatever is in it. A parser in Python needs 90
ms for the same bytes in 1-byte chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import httptools
import httpx

from storage_service.outbound.wire import BODY_READ, HEAD_READ, BrokenConnection, Connection, hostile
from strongroom.errors import SourceUrlFailed

_SMALL: Final = 1024
_SMALL_IN_A_ROW: Final = 16
_BREATH_SECONDS: Final = 0.002
"""Pause after 16 reads of less than 1 KiB, so that other tasks run and bytes gather."""

_START: Final = b"HTTP/1."
_SWITCHING: Final = 101
_INTERIM: Final = range(100, 200)


class Answer:
    """A final answer: ``status``, ``headers``, and its body as ``pieces``, which can be read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parsed = _Parsed()
        self._parser = httptools.HttpResponseParser(self._parsed)
        # Harmless here, because a connection serves one request; a risk only between proxy and server.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._parsed.status_of = self._parser.get_status_code
        self._small = 0
        self._start = b""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._parsed.status or 0

    @property
    def headers(self) -> httpx.Headers:
        """The answer's headers, without trailers."""
        return httpx.Headers(self._parsed.headers)

    async def read_head(self) -> None:
        """Read to the end of the final head. Raises BrokenConnection, SourceUrlFailed."""
        while self._parsed.status is None:
            if not await self._advance(HEAD_READ):
                raise BrokenConnection("hung up before it had answered")
        self._connection.meter.phase("body")
        coding = self.headers.get("transfer-encoding", "chunked").strip().lower()
        if coding != "chunked":
            raise SourceUrlFailed(
                f"the source URL answers with transfer-encoding {coding[:20]!r}, though none was asked for",
                metadata={"status": str(self.status)},
            )
        self._parsed.until_close = not ({"content-length", "transfer-encoding"} & set(self.headers))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises BrokenConnection if it breaks off, SourceUrlFailed."""
        while True:
            body = self._parsed.take()
            if body:
                self._connection.meter.body(len(body))
                yield body
            if self._parsed.complete:
                return
            if not await self._advance(BODY_READ):
                if self._parsed.until_close:
                    return
                raise BrokenConnection("hung up in the middle")

    async def _advance(self, most: int) -> bool:
        """Read and parse once; False at the end of the connection."""
        data = await self._connection.receive(most)
        if not data:
            return False
        parsed = self._parsed
        before = parsed.events
        self._check_start(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            parsed.complete = True
        except httptools.HttpParserError as error:
            if not parsed.complete:  # ignore bytes after a complete answer
                raise BrokenConnection("sends no valid HTTP") from error
        if parsed.events != before:
            self._connection.progressed()
        limit = self._connection.meter.limits.interim_answers
        if parsed.interim > limit:
            raise hostile("interim_answers", f"sends more than {limit} interim answers (1xx)")
        await self._breathe(len(data))
        return True

    def _check_start(self, data: bytes) -> None:
        """Check the first bytes: the parser also accepts RTSP, ICE and any version of HTTP."""
        if len(self._start) < len(_START):
            self._start += data[: len(_START) - len(self._start)]
            if not _START.startswith(self._start):
                raise BrokenConnection("sends no valid HTTP")

    async def _breathe(self, size: int) -> None:
        self._small = self._small + 1 if size < _SMALL else 0
        if self._small >= _SMALL_IN_A_ROW:
            self._small = 0
            await asyncio.sleep(_BREATH_SECONDS)


class _Parsed:
    """The parser's callbacks. They store the status, the headers and the body received so far."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.status_of: Callable[[], int] = int
        self.headers: list[tuple[bytes, bytes]] = []
        self.interim = 0
        self.events = 0
        self.complete = False
        self.until_close = False
        self._body: list[bytes] = []

    def take(self) -> bytes:
        """The bytes of the body since the last call."""
        body = b"".join(self._body)
        self._body.clear()
        return body

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is None:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.status is not None:  # a second answer after the first
            return
        self.events += 1
        status = self.status_of()
        if status in _INTERIM and status != _SWITCHING:
            self.interim += 1
            self.headers.clear()
        else:
            self.status = status

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.events += 1
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self.status is not None:
            self.complete = True
