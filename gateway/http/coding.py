"""Content codings: responses are compressed if the client accepts that, and JSON bodies may be compressed.

RFC 9110 sections 8.4 and 12.5.3; gzip is RFC 1952, zstd RFC 8878. Which answers are: decision 0042.
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from starlette.types import Message, Receive, Scope, Send

from gateway.http.reply import Reply, header
from strongroom.errors import MalformedRequest, SizeLimitExceeded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Below this an answer fits into one packet or two anyway.
MIN_BYTES: Final = 1024
#: A longer text is compressed by a thread, so that other requests do not wait for it.
INLINE_BYTES: Final = 64 << 10
#: How many times as large as it came a body may become, as with archives, once it is over a MiB.
MAX_RATIO: Final = 200
HARMLESS_BYTES: Final = 1 << 20
#: Of one body. Each costs a new state, however little it holds.
MAX_MEMBERS: Final = 64
#: A body is handed on in pieces of at most so many bytes.
PIECE_BYTES: Final = 64 << 10
GZIP_LEVEL: Final = 4
ZSTD_LEVEL: Final = 3
_GZIP: Final = 16 + zlib.MAX_WBITS
#: In the order in which they are preferred.
_CODINGS: Final = ("zstd", "gzip")
_MEMBER: Final = re.compile(
    r"[ \t]*([\w*.+-]+)[ \t]*(?:;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*)?", re.IGNORECASE
)
_VARY: Final = header("vary", "accept-encoding")
_BODILESS: Final = frozenset({204, 304})


class Encoder(Protocol):
    """What both libraries have. ``flush`` ends the stream."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def negotiate(accepted: str) -> str:
    """The coding to answer in under this ``Accept-Encoding``: ``zstd``, ``gzip``, or ``""`` for none. A
    member that can't be read counts for nothing.
    """
    weights: dict[str, float] = {}
    for member in accepted[:1024].split(","):
        if found := _MEMBER.fullmatch(member):
            name = found[1].lower().removeprefix("x-")
            weights[name] = float(found[2] or 1)
    others = weights.get("*", 0.0)
    best = max(_CODINGS, key=lambda name: weights.get(name, others))  # the first of equals
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else ""


async def send_coded(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Send ``reply``, compressed if it may be and the client accepts that."""
    if reply.codable:
        reply.headers.append(_VARY)  # on short ones, too: the next answer of the same URL may be long
    if reply.codable and reply.status not in _BODILESS and (reply.streams or len(reply.body) >= MIN_BYTES):
        coding = negotiate(_accepted(scope))
        if coding:
            reply.headers.append(header("content-encoding", coding))
            if reply.streams:
                send = _CodedSend(send, encoder(coding))
            else:
                reply.body = await _compressed(reply.body, coding)
    await reply.send_to(scope, receive, send)


def encoder(coding: str) -> Encoder:
    """A stream of ``gzip`` or ``zstd``."""
    if coding == "zstd":
        return zstd.ZstdCompressor(level=ZSTD_LEVEL)
    return zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)


async def decoded(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes inside of a gzip body, in pieces of at most ``PIECE_BYTES``: never more is held, whatever the
    body would become.

    :raises MalformedRequest: it is not gzip, ends too early, or holds framing rather than content.
    :raises SizeLimitExceeded: it becomes more than ``MAX_RATIO`` times as large.
    """
    body = _Members()
    async for piece in pieces:
        rest = body.took(piece)
        while rest:
            data, rest = body.opened(rest)
            if data:
                yield data
            await asyncio.sleep(0)
    if last := body.end():
        yield last


class _Members:
    """The members of one gzip body (RFC 1952 section 2.2), and what they have grown to."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._count = 1
        self._taken = self._given = 0

    def took(self, piece: bytes) -> bytes:
        """``piece``, which is to be opened next."""
        if self._taken > self._given + HARMLESS_BYTES:  # the framing of content is some bytes a block
            raise MalformedRequest("The body's gzip stream is more framing than content; send it as it is.")
        self._taken += len(piece)
        return piece

    def opened(self, raw: bytes) -> tuple[bytes, bytes]:
        """Some of what is inside, and what of ``raw`` comes after it."""
        if self._stream.eof:
            self._stream = zlib.decompressobj(_GZIP)
            self._count += 1
            if self._count > MAX_MEMBERS:
                raise MalformedRequest(f"The body has over {MAX_MEMBERS} gzip members; send it as one.")
        try:
            data = self._stream.decompress(raw, PIECE_BYTES)
        except zlib.error:
            raise MalformedRequest("The body is not gzip, which its Content-Encoding names.") from None
        self._given += len(data)
        if self._given > max(HARMLESS_BYTES, MAX_RATIO * self._taken):
            raise SizeLimitExceeded(
                f"The body decompresses to more than {MAX_RATIO} times its size; send it uncompressed.",
                metadata={"limit": str(MAX_RATIO)},
            )
        return data, self._stream.unconsumed_tail or self._stream.unused_data

    def end(self) -> bytes:
        """The last bytes; nothing more comes."""
        last = self._stream.flush()
        if not self._stream.eof:
            raise MalformedRequest("The body ends in the middle of its gzip stream.")
        return last


class _CodedSend:
    """Compresses what is sent as the body."""

    def __init__(self, send: Send, stream: Encoder) -> None:
        self._send = send
        self._stream = stream

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            coded = self._stream.compress(body) if body else b""
            if not message.get("more_body", False):
                coded += self._stream.flush()
            elif not coded:
                return
            message = {**message, "body": coded}
        await self._send(message)


async def _compressed(body: bytes, coding: str) -> bytes:
    if len(body) > INLINE_BYTES:
        return await asyncio.to_thread(_compress, body, coding)
    return _compress(body, coding)


def _compress(body: bytes, coding: str) -> bytes:
    stream = encoder(coding)
    return stream.compress(body) + stream.flush()


def _accepted(scope: Scope) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-encoding")
