"""Content codings: compressed responses for clients that accept them, and compressed JSON bodies of requests.

RFC 9110 sections 8.4 and 12.5.3; gzip is RFC 1952, zstd RFC 8878. Decision 0042 says which responses are
compressed.
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

#: Smaller responses fit into one or two packets anyway.
MIN_BYTES: Final = 1024
#: Longer texts are compressed in a thread, so that other requests do not wait.
INLINE_BYTES: Final = 64 << 10
#: Largest ratio of a body's size to its compressed size, checked once it is over a MiB.
MAX_RATIO: Final = 200
HARMLESS_BYTES: Final = 1 << 20
#: Most members of one gzip body. Each needs a new decompressor, however small it is.
MAX_MEMBERS: Final = 64
#: A decompressed body is passed on in pieces of at most this size.
PIECE_BYTES: Final = 64 << 10
GZIP_LEVEL: Final = 4
ZSTD_LEVEL: Final = 3
_GZIP: Final = 16 + zlib.MAX_WBITS
#: In order of preference.
_CODINGS: Final = ("zstd", "gzip")
_MEMBER: Final = re.compile(
    r"[ \t]*([\w*.+-]+)[ \t]*(?:;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*)?", re.IGNORECASE
)
_VARY: Final = header("vary", "accept-encoding")
_BODILESS: Final = frozenset({204, 304})


class Encoder(Protocol):
    """The interface of both libraries. ``flush`` ends the stream."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def negotiate(accepted: str) -> str:
    """The coding for a response to this ``Accept-Encoding``: ``zstd``, ``gzip``, or ``""`` for none.

    Malformed members are ignored.
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
    """Send ``reply``, compressed if it is ``codable`` and the client accepts that."""
    if reply.codable:
        reply.headers.append(_VARY)  # on short ones, too: the next response of the same URL may be long
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
    """A new compressor for ``gzip`` or ``zstd``."""
    if coding == "zstd":
        return zstd.ZstdCompressor(level=ZSTD_LEVEL)
    return zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)


async def decoded(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress a gzip body into pieces of at most ``PIECE_BYTES``; no more than that is held in memory.

    :raises MalformedRequest: it is not gzip, ends too early, or consists of framing rather than content.
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
    """The members of one gzip body (RFC 1952 section 2.2), and how many bytes they have expanded to."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._count = 1
        self._taken = self._given = 0

    def took(self, piece: bytes) -> bytes:
        """Count ``piece`` and return it, to be opened next."""
        if self._taken > self._given + HARMLESS_BYTES:  # framing takes only some bytes per block of content
            raise MalformedRequest("The body's gzip stream is more framing than content; send it as it is.")
        self._taken += len(piece)
        return piece

    def opened(self, raw: bytes) -> tuple[bytes, bytes]:
        """Decompress a part of ``raw``. Returns the bytes and the rest of ``raw``."""
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
        """The last bytes, after the end of the body."""
        last = self._stream.flush()
        if not self._stream.eof:
            raise MalformedRequest("The body ends in the middle of its gzip stream.")
        return last


class _CodedSend:
    """Compresses the body on its way to ``send``."""

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
