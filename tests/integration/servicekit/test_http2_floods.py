"""Floods of HTTP/2 frames at a gRPC port: others are answered, and memory is bounded.

Each flood has a fixed size, so nothing here depends on the speed of the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from grpc import aio

from benchmarks.attacks.http2 import PREFACE, frame
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.integration.servicekit.echo import SERVICE, EchoStub, bearer
from tests.integration.servicekit.processes import LoneProcess

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_HEADERS = 4
#: Most MiB that one flood may add to the process.
CEILING_MIB = 150
SECONDS = 120
ONE = GetUploadRequest(upload_id="u")
LAST = b"the last"


def literal(name: bytes, value: bytes, kind: bytes = b"\0") -> bytes:
    """A header as an HPACK literal (RFC 7541 section 6.2), not indexed by default."""
    return kind + integer(len(name)) + name + integer(len(value)) + value


def integer(number: int) -> bytes:
    """An integer with a prefix of seven bits (RFC 7541 section 5.1)."""
    if number < 127:
        return bytes((number,))
    number -= 127
    more = bytearray((127,))
    while number >= 128:
        more.append(number % 128 + 128)
        number //= 128
    return bytes((*more, number))


REQUEST = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", f"/{SERVICE}/Unary".encode()),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)
STREAMS = range(1, 2**31, 2)
PAD = literal(b"x-pad", bytes(100)) * 100


def settings() -> Iterator[bytes]:
    """Frames that each require an acknowledgement."""
    return itertools.repeat(frame(SETTINGS, 0) * 500, 60)


def changing_settings() -> Iterator[bytes]:
    """Frames that each change the window of all streams."""
    return (frame(SETTINGS, 0, struct.pack(">HI", 4, 65_535 + n % 2)) * 500 for n in range(60))


def pings() -> Iterator[bytes]:
    """Frames that each require an answer."""
    return itertools.repeat(frame(PING, 0, bytes(8)) * 500, 60)


def rapid_reset() -> Iterator[bytes]:
    """Requests that are reset in the same write."""
    reset = struct.pack(">I", 8)
    for begin in range(0, 10_000, 500):
        yield b"".join(
            frame(HEADERS, stream, REQUEST, END_HEADERS) + frame(RESET, stream, reset)
            for stream in STREAMS[begin : begin + 500]
        )


def made_to_reset() -> Iterator[bytes]:
    """Requests that the server has to reset: a window above 2^31 - 1."""
    for begin in range(0, 5_000, 500):
        yield b"".join(
            frame(HEADERS, stream, REQUEST, END_HEADERS)
            + frame(WINDOW, stream, struct.pack(">I", 2**31 - 1)) * 2
            for stream in STREAMS[begin : begin + 500]
        )


def continuations() -> Iterator[bytes]:
    """A head that never ends."""
    yield frame(HEADERS, 1, REQUEST)
    yield from itertools.repeat(frame(CONTINUATION, 1, PAD) * 20, 60)


def empty_continuations() -> Iterator[bytes]:
    """A head that never ends and never grows."""
    yield frame(HEADERS, 1, REQUEST)
    yield from itertools.repeat(frame(CONTINUATION, 1) * 1000, 60)


def long_heads() -> Iterator[bytes]:
    """Heads above the limit, one after another."""
    for stream in STREAMS[:500]:
        yield frame(HEADERS, stream, REQUEST + PAD) + frame(CONTINUATION, stream, PAD, END_HEADERS)


def header_bombs() -> Iterator[bytes]:
    """One octet for each header of 4 KB in the dynamic table: 200 KiB of frames stand for 800 MB."""
    first = literal(b"x-bomb", bytes(3900), kind=b"\x40")
    for number, stream in enumerate(STREAMS[:50]):
        yield frame(HEADERS, stream, REQUEST + (b"" if number else first) + b"\xbe" * 4000, END_HEADERS)


def windows() -> Iterator[bytes]:
    """Frames that each allow the server one more octet."""
    return itertools.repeat(frame(WINDOW, 0, struct.pack(">I", 1)) * 1000, 60)


def priorities() -> Iterator[bytes]:
    """Frames without any effect (RFC 9113 section 5.3)."""
    return itertools.repeat(frame(PRIORITY, 1, b"\0\0\0\0\x10") * 1000, 60)


def empty_data() -> Iterator[bytes]:
    """A body that never ends and never grows."""
    yield frame(HEADERS, 1, REQUEST, END_HEADERS)
    yield from itertools.repeat(frame(DATA, 1) * 1000, 60)


def unknown_frames() -> Iterator[bytes]:
    """Frames that must be ignored (RFC 9113 section 4.1)."""
    return itertools.repeat(frame(0xEE, 0, bytes(8)) * 1000, 60)


FLOODS: tuple[Callable[[], Iterator[bytes]], ...] = (
    settings,
    changing_settings,
    pings,
    rapid_reset,
    made_to_reset,
    continuations,
    empty_continuations,
    long_heads,
    header_bombs,
    windows,
    priorities,
    empty_data,
    unknown_frames,
)
#: Floods whose sender gets GOAWAY or is cut off.
SENT_AWAY = {pings, empty_continuations}


class Flooder:
    """A connection that floods. ``sent_away``: the server has sent GOAWAY or cut it off."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._worked_off = asyncio.Event()
        self.sent_away = False

    async def send(self, bursts: Iterator[bytes]) -> None:
        """Send everything. Returns when the server has processed it or cut the connection."""
        host, _, port = self._address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        listening = asyncio.create_task(self._listen(reader))
        try:
            writer.write(PREFACE + frame(SETTINGS, 0))
            for burst in bursts:
                if self.sent_away:
                    return
                writer.write(burst)
                await writer.drain()
            writer.write(frame(PING, 0, LAST))
            await writer.drain()
            await self._worked_off.wait()
        except ConnectionError:
            self.sent_away = True
        finally:
            listening.cancel()
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                top = await reader.readexactly(9)
                body = await reader.readexactly(int.from_bytes(top[:3], "big"))
                self.sent_away = self.sent_away or top[3] == GOAWAY
                if self.sent_away or (top[3] == PING and body == LAST):
                    self._worked_off.set()
        except (OSError, EOFError):
            self.sent_away = True
            self._worked_off.set()


def resident_mib(server: LoneProcess) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneProcess]:
    with LoneProcess(tmp_path_factory.mktemp("floods") / "stderr") as running:
        yield running


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
async def test_others_are_answered_and_memory_has_a_ceiling(
    server: LoneProcess, flood: Callable[[], Iterator[bytes]]
) -> None:
    async with aio.insecure_channel(server.address) as channel, asyncio.timeout(SECONDS):
        call = EchoStub(channel).unary
        assert (await call(ONE, metadata=bearer())).persisted_size == 1
        before = resident_mib(server)
        flooder = Flooder(server.address)
        flooding = asyncio.create_task(flooder.send(flood()))
        answered = 0
        while not flooding.done() or not answered:
            assert (await call(ONE, metadata=bearer(), timeout=SECONDS)).persisted_size == 1
            answered += 1
        await flooding
        if flood in SENT_AWAY:
            assert flooder.sent_away
        assert resident_mib(server) - before < CEILING_MIB
