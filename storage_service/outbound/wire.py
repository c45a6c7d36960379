"""A connection to a source on which every byte is counted, below TLS.

The work that a peer can cause is bounded by the bytes it has sent, and what it has begun to send must
continue.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from servicekit.outbound import Address
from servicekit.threads import run_in_thread
from strongroom.errors import SourceUrlFailed

HEAD_READ: Final = 16 * 1024
BODY_READ: Final = 64 * 1024
PAUSE_SECONDS: Final = 3.0
"""A longer silence below TLS restarts the measurement of the rate: the peer was busy, not slow."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What a source may cost. A source that exceeds a limit is given up at once, and not retried.

    - ``interim_answers`` (1xx) before the answer; ``head_bytes`` of all heads together, as on the wire.
    - ``handshake_bytes`` of TLS, certificates included.
    - During the body, ``free_bytes`` plus ``wire_ratio`` bytes on the wire for each byte of the body. Chunk
      sizes, chunk extensions, trailers and TLS records all count.
    - ``stall_seconds``: how long a head, the frame of a chunk, trailers or a TLS handshake may take from
      their first byte to their last.
    - ``slow_rate``: bytes per second below which a TLS record is too slow.
    """

    interim_answers: int = 8
    head_bytes: int = 64 * 1024
    handshake_bytes: int = 128 * 1024
    free_bytes: int = 64 * 1024
    wire_ratio: int = 4
    stall_seconds: float = 5.0
    slow_rate: float = 1024.0


_NO_HANDSHAKE = (TimeoutError, ValueError, anyio.EndOfStream, anyio.BrokenResourceError)
"""ValueError: the name can't be used in TLS."""


class BrokenConnection(Exception):
    """No connection, a time-out, or the peer has hung up: a retry may help."""


class Meter:
    """Counts what arrives and checks the limits before each read. Phases: TLS handshake, heads, body."""

    def __init__(self, limits: WireLimits) -> None:
        self.limits = limits
        self._wire = 0
        self._body = 0
        self._phase = "handshake"
        self._began: float | None = None
        self._last = 0.0
        self._since_began = 0

    def phase(self, name: str) -> None:
        """Begin the phase ``heads`` or ``body``, with new counts."""
        self._phase, self._wire = name, 0

    def body(self, size: int) -> None:
        """Count ``size`` bytes of the body."""
        self._body += size

    def arrived(self, size: int) -> None:
        """Count ``size`` bytes from the network. Raises SourceUrlFailed if they come too slowly."""
        now = time.monotonic()
        if self._began is None or now - self._last > PAUSE_SECONDS:
            self._began, self._since_began = now, 0
        self._last = now
        self._wire += size
        self._since_began += size
        took = now - self._began
        if took > self.limits.stall_seconds and self._since_began < self.limits.slow_rate * took:
            raise hostile("stall_seconds", "sends its TLS records too slowly")

    def readable(self) -> None:
        """TLS has decrypted something."""
        self._began = None

    def check(self) -> None:
        """Whether more may be read. Raises SourceUrlFailed."""
        limits = self.limits
        if self._phase == "handshake" and self._wire >= limits.handshake_bytes:
            raise hostile(
                "handshake_bytes", f"sends more than {limits.handshake_bytes} bytes of TLS handshake"
            )
        if self._phase == "heads" and self._wire >= limits.head_bytes:
            raise hostile("head_bytes", f"sends more than {limits.head_bytes} bytes of headers")
        if self._phase == "body" and self._wire > limits.free_bytes + limits.wire_ratio * self._body:
            raise hostile("wire_ratio", "wraps its body in too much framing")


def hostile(limit: str, what: str) -> SourceUrlFailed:
    """The error for a source that exceeds a limit: it is not retried."""
    return SourceUrlFailed(f"the source URL {what}", metadata={"limit": limit})


class _MeteredStream(ByteStream):
    """Counts bytes between the network and TLS or the parser."""

    def __init__(self, stream: ByteStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def receive(self, max_bytes: int = BODY_READ) -> bytes:
        self._meter.check()
        data = await self._stream.receive(max_bytes)
        self._meter.arrived(len(data))
        return data

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Connection:
    """A connection for one request. ``idle``: seconds that a read may wait for its first byte."""

    def __init__(self, stream: ByteStream, meter: Meter, idle: float) -> None:
        self._stream = stream
        self._idle = idle
        self._unfinished_since: float | None = None
        self.meter = meter

    async def send(self, data: bytes) -> None:
        """Raises BrokenConnection."""
        try:
            with anyio.fail_after(self._idle):
                await self._stream.send(data)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError) as error:
            raise BrokenConnection from error

    async def receive(self, most: int) -> bytes:
        """Up to ``most`` bytes, decrypted; none when the peer has finished.

        Raises BrokenConnection; SourceUrlFailed when a limit is exceeded, or when what has arrived since the
        last ``progressed`` takes too long to complete.
        """
        wait = self._idle
        if self._unfinished_since is not None:
            left = self._unfinished_since + self.meter.limits.stall_seconds - time.monotonic()
            wait = min(wait, max(0.0, left))
        try:
            with anyio.fail_after(wait):
                data = await self._stream.receive(most)
        except TimeoutError as error:
            if wait < self._idle:
                raise hostile("stall_seconds", "begins to send something and does not finish it") from error
            raise BrokenConnection from error
        except anyio.EndOfStream:
            return b""
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise BrokenConnection from error
        self.meter.readable()
        if self._unfinished_since is None:
            self._unfinished_since = time.monotonic()
        return data

    def progressed(self) -> None:
        """Note progress: a head, or bytes of the body, are complete."""
        self._unfinished_since = None

    async def aclose(self) -> None:
        """Close at once."""
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await anyio.aclose_forcefully(self._stream)


@cache
def tls_context(*, verify: bool) -> ssl.SSLContext:
    """The context that checks sources against the public certificate authorities.

    It is loaded once per process, when it is first needed (25 ms, 1.6 MiB).
    """
    context = httpx.create_ssl_context(verify=verify, trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class Dialer:
    """Makes connections.

    :param verify: check the certificates of sources.
    :param connect: seconds for TCP and TLS together.
    :param idle: seconds for one read.
    """

    verify: bool
    connect: float
    idle: float
    limits: WireLimits = WireLimits()

    async def dial(self, address: Address, port: int, tls_name: str | None) -> Connection:
        """Connect to ``address``; with TLS for ``tls_name``, if given.

        Raises OSError if no server answers there, BrokenConnection, SourceUrlFailed.
        """
        meter = Meter(self.limits)
        deadline = anyio.current_time() + self.connect
        try:
            with anyio.fail_after(self.connect):
                stream: ByteStream = await anyio.connect_tcp(str(address), port)
        except TimeoutError as error:
            raise BrokenConnection from error
        metered = _MeteredStream(stream, meter)
        if tls_name is None:
            meter.phase("heads")
            return Connection(metered, meter, self.idle)
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                context = await run_in_thread(partial(tls_context, verify=self.verify))
                secure = await TLSStream.wrap(
                    metered, hostname=tls_name, ssl_context=context, standard_compatible=False
                )
        except BaseException as error:
            await anyio.aclose_forcefully(metered)
            if isinstance(error, _NO_HANDSHAKE) and not isinstance(error, ssl.SSLError):
                raise BrokenConnection from error
            raise
        meter.readable()
        meter.phase("heads")
        return Connection(secure, meter, self.idle)
