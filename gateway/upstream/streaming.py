"""Forwards a file's bytes from a running gRPC stream to the connection, one message at a time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, Generic, Protocol, TypeVar

from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.http.conditional import Validators, content_range
from gateway.http.problems import ClientGone, Truncated
from gateway.http.reply import Header, Reply, header
from gateway.upstream.backend import Storage
from gateway.upstream.call import Call
from gateway.upstream.turns import Passage
from strongroom.errors import Internal, PreconditionFailed, StrongroomError

#: The bytes belong to one user, and caches have to revalidate a stored copy.
CACHE_CONTROL: Final = "private, no-cache"
#: Seconds that storage_service may take to end a call after its last byte.
END_SECONDS: Final = 5.0

M = TypeVar("M")


class Announcement(Protocol):
    """The first message of a stream: which bytes follow."""

    @property
    def read_offset(self) -> int:
        """Their offset in the file."""
        ...

    @property
    def read_size(self) -> int:
        """Their number."""
        ...


class Stream(Generic[M]):
    """A running download, cancelled as soon as the client disconnects.

    ``M``: type of its messages; ``passage``: its turns to send them.
    """

    def __init__(self, exchange: Call, storage: Storage, rpc: Any) -> None:
        self._client = exchange.client
        self.passage = Passage(exchange.services.turns, exchange.client)
        self._storage = storage
        self._rpc = rpc

    async def first(self) -> M | None:
        """The first message, which announces the bytes. Raises as ``read``; the call has ended then."""
        try:
            with self._client.cancels(self._rpc):
                message = await self._storage.first(self._rpc)
        except aio.AioRpcError as error:
            self.close()
            raise self._storage.error(error) from None
        except BaseException:
            self.close()
            raise
        found: M | None = None if message is aio.EOF else message
        return found

    async def read(self) -> M | None:
        """The next message; None at the end.

        :raises StrongroomError: storage_service failed.
        :raises ClientGone: the client disconnected.
        """
        try:
            with self._client.cancels(self._rpc):
                message = await self._rpc.read()
        except aio.AioRpcError as error:
            raise self._storage.error(error) from None
        found: M | None = None if message is aio.EOF else message
        return found

    async def finish(self) -> None:
        """Let the call end by itself after its last byte, so that it does not count as cancelled."""
        with contextlib.suppress(StrongroomError, ClientGone, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self.read()

    def close(self) -> None:
        """Cancel the call; has no effect if it is over."""
        self._rpc.cancel()


class StreamReply(Reply):
    """The bytes of a running download. ``send`` waits while the client reads slowly.

    ``total``: size of the file. ``ranged``: a range was requested (of an empty file, all of it is sent).
    """

    def __init__(
        self, headers: list[Header], stream: Stream[Any], first: Announcement, *, total: int, ranged: bool
    ) -> None:
        partial = ranged and total > 0
        super().__init__(206 if partial else 200, b"", [*headers, header("content-length", first.read_size)])
        if partial:
            where = content_range(first.read_offset, first.read_size, total)
            self.headers.append(header("content-range", where))
        self._stream = stream
        self._size = first.read_size

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            missing = self._size
            while missing:
                missing -= await self._pass_on(missing, send)
            if not self._size:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            await self._stream.finish()
        finally:
            self._stream.close()

    async def _pass_on(self, missing: int, send: Send) -> int:
        """Forward the next message. Returns its size."""
        await self._stream.passage.turn()
        try:
            message = await self._stream.read()
        except StrongroomError as error:
            raise Truncated(f"{missing} bytes before the end: {error.reason_name}") from error
        if message is None:
            raise Truncated(f"{missing} bytes before the end: the stream ended")
        data = message.data
        del message  # it has a copy of the data, which would stay in memory while the client reads slowly
        size = len(data)
        if not 0 < size <= missing:
            raise Truncated(f"{missing} bytes before the end: the stream is not as announced")
        self._stream.passage.moved += size
        await send({"type": "http.response.body", "body": data, "more_body": size < missing})
        return size


class HeadReply(Reply):
    """The headers of GET without the bytes."""

    def __init__(self, headers: list[Header], size: int) -> None:
        super().__init__(200, b"", [*headers, header("content-length", size)])

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def validator_headers(validators: Validators, *more: Header, caching: str = CACHE_CONTROL) -> list[Header]:
    """The headers that a 304 repeats (RFC 9110 section 15.4.5), and ``more`` of them."""
    found = [
        header("last-modified", validators.modified_header),
        header("cache-control", caching),
        *more,
    ]
    if validators.etag_header:
        found.append(header("etag", validators.etag_header))
    return found


def not_the_file_named(etag: str) -> StrongroomError:
    """The error for a condition that the file, with entity tag ``etag``, does not meet."""
    return PreconditionFailed(
        "The file is not the one that If-Match or If-Unmodified-Since names.", metadata={"actual": etag}
    )


def unannounced_bytes() -> StrongroomError:
    """The error for a stream that does not begin with its file."""
    return Internal("storage_service sent bytes before saying of which file.")
