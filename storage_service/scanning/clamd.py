r"""clamd's protocol: INSTREAM and VERSION, with one connection per command (clamd(8), "COMMANDS").

    zINSTREAM\0  <length, 4 bytes big-endian><bytes> …  <0, 4 bytes>   →   stream: OK\0
                                                                            stream: NAME FOUND\0
                                                                            … ERROR\0

If a body exceeds ``StreamMaxLength``, clamd answers early and closes the connection while we still write; the
answer is read even then. This uses sockets instead of streams, because an asyncio transport drops received
data when a write fails.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import dataclass
from typing import Final, Self

from storage_service.objectstore.values import Chunk

CONNECT_SECONDS: Final = 5.0
MOST_ANSWER: Final = 4096
_LENGTH: Final = struct.Struct(">I")
_END: Final = _LENGTH.pack(0)
_TOO_LONG: Final = "INSTREAM size limit exceeded"
_FOUND: Final = re.compile(r"stream: (?P<name>\S.*?) FOUND")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_VERSION: Final = re.compile(r"ClamAV [\x20-\x7e]{1,240}")
_UNIX: Final = "unix:"


class ClamdError(Exception):
    """clamd can't be reached, closed the connection, was silent for too long, or answered with no verdict."""


class TooLong(Exception):
    """The body exceeds clamd's ``StreamMaxLength``."""


@dataclass(frozen=True, slots=True)
class Address:
    """A socket's address: a path, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """``unix:/run/clamav/clamd.ctl``, ``clamd:3310``, ``[::1]:3310``. Raises ValueError."""
        if text.startswith((_UNIX, "/")):
            path = text.removeprefix(_UNIX)
            if not path.startswith("/") or "\0" in path:
                raise ValueError("a unix socket is named by its whole path, as in unix:/run/clamav/clamd.ctl")
            return cls(path=path)
        host, colon, port = text.removeprefix("tcp://").rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("write unix:/path/of/socket, or host:port as in clamd:3310")
        return cls(host=host, port=int(port))


class Connection:
    """A connection for one command. ``seconds``: the longest silence of clamd in one step.

    Every method raises ClamdError.
    """

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self._socket: socket.socket | None = connected
        self._seconds = seconds

    @classmethod
    async def open(cls, address: Address, seconds: float) -> Self:
        """Connect."""
        try:
            async with asyncio.timeout(min(seconds, CONNECT_SECONDS)):
                return cls(await _connected(address), seconds)
        except (OSError, TimeoutError) as error:
            raise ClamdError(f"no connection: {type(error).__name__}") from error

    def close(self) -> None:
        """Close at once; clamd discards what it was sent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def send(self, *pieces: Chunk) -> None:
        """Send pieces of the command. Raises TooLong if clamd has said so and hung up."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                for piece in pieces:
                    await loop.sock_sendall(self._open(), piece)
        except TimeoutError as error:
            raise ClamdError("it takes no more bytes") from error
        except OSError as error:
            await self._hung_up(error)

    async def chunk(self, data: Chunk) -> None:
        """Send bytes of the stream. Raises as ``send``."""
        if len(data):
            await self.send(_LENGTH.pack(len(data)), data)

    async def verdict(self) -> str:
        """End the stream. Returns the name of what was found, or ``""``. Raises TooLong."""
        await self.send(_END)
        return _verdict(await self.answer())

    async def answer(self) -> str:
        """The answer, up to its zero byte; without that byte it is incomplete."""
        loop = asyncio.get_running_loop()
        received = b""
        try:
            async with asyncio.timeout(self._seconds):
                while b"\0" not in received and len(received) < MOST_ANSWER:
                    more = await loop.sock_recv(self._open(), MOST_ANSWER)
                    if not more:
                        break
                    received += more
        except TimeoutError as error:
            raise ClamdError("it does not answer") from error
        except OSError as error:
            raise ClamdError(f"it has hung up: {type(error).__name__}") from error
        said, end, _ = received.partition(b"\0")
        if not end:
            raise ClamdError("it has hung up before the end of its answer")
        return said.decode("utf-8", "replace").strip()

    async def _hung_up(self, error: OSError) -> None:
        """The peer hung up while we wrote: read whether it said why. Raises TooLong, ClamdError."""
        said = await self.answer()
        _verdict(said)
        raise ClamdError("it has hung up before the end") from error

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise ClamdError("the connection was closed")
        return self._socket


async def version(address: Address, seconds: float) -> str:
    """Scanner and signatures: ``ClamAV 1.4.6/27500/Sun Nov 29 08:00:00 2026``. Raises ClamdError."""
    connection = await Connection.open(address, seconds)
    try:
        await connection.send(b"zVERSION\0")
        said = await connection.answer()
    finally:
        connection.close()
    if not _VERSION.fullmatch(said):
        raise ClamdError("it names no version")
    return said


INSTREAM: Final = b"zINSTREAM\0"


async def _connected(address: Address) -> socket.socket:
    if address.path:
        return await _connect(socket.AF_UNIX, address.path)
    failure = OSError("the name has no address")
    loop = asyncio.get_running_loop()
    for family, _, _, _, name in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
        try:
            return await _connect(family, name)
        except OSError as error:
            failure = error
    raise failure


async def _connect(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, address)  # type: ignore[arg-type]
    except BaseException:
        made.close()
        raise
    return made


def _verdict(said: str) -> str:
    """Parse clamd's answer. Returns the name of what was found, or ``""``.

    Raises TooLong, and ClamdError for any answer without a verdict.
    """
    if said == "stream: OK":
        return ""
    if found := _FOUND.fullmatch(said):
        return _UNPRINTABLE.sub("?", found["name"])[:255]
    if said.startswith(_TOO_LONG):
        raise TooLong
    raise ClamdError(f"no verdict: {_UNPRINTABLE.sub('?', said)[:100] or 'nothing'}")
