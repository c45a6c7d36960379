"""The body of an open GetObject.

It is read on the event loop as its consumer asks for more, and continued at the byte where a connection
broke. Large pieces over TLS are read on threads, because decrypting would block the loop, and one piece ahead
of the consumer. A switch to a thread and back for each mebibyte would cost half as much again as receiving it
and passing it on (docs/object-store.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.s3 import errors
from storage_service.objectstore.s3.calls import S3Context
from storage_service.objectstore.s3.client import Exchange, LightRequest
from storage_service.objectstore.s3.headers import content_range, object_info
from storage_service.objectstore.s3.http.connection import Connection, Head
from storage_service.objectstore.s3.http.steps import on_loop, on_thread
from storage_service.objectstore.values import ObjectInfo, ObjectRef

FIRST_READ = 64 * 1024
"""The first read is short, so that the first byte doesn't wait for a whole chunk."""
_OPERATION = "GetObject"


class S3Stream:
    """ObjectStream. Used by S3Reader.open: ``start``, then iterate once, then ``close``."""

    def __init__(
        self, context: S3Context, ref: ObjectRef, *, offset: int, length: int | None, if_match: str | None
    ) -> None:
        self._context = context
        self._ref = ref
        self.offset = offset
        self._wanted = length
        self._if_match = if_match
        self.length = 0
        self._info: ObjectInfo | None = None
        self._exchange = Exchange()
        self._connection: Connection | None = None
        self._early = b""
        self._left_in_reply = 0
        self._keep_alive = False
        self._received = 0
        self._ahead: asyncio.Task[bytes] | None = None

    @property
    def info(self) -> ObjectInfo:
        """Facts about the whole object."""
        if self._info is None:
            raise RuntimeError("the stream is not open")
        return self._info

    async def start(self) -> None:
        """Send the request and read the head of the reply. Raises StoreError."""
        if self._wanted == 0:
            await self._start_without_bytes()
            return
        counted = self._context.calls.counted(_OPERATION, self._request)
        info, available = await self._context.tried(_OPERATION, counted)
        self._info = info
        self.length = available if self._wanted is None else min(available, self._wanted)

    def start_empty(self, info: ObjectInfo) -> None:
        """Open an empty object, of which no range can be requested."""
        self._info, self.length = info, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._received < self.length:
            if self._ahead is None:
                data = await self._fetch()
            else:
                data = await asyncio.shield(self._ahead)
                self._ahead = None
            self._received += len(data)
            if self._received < self.length and self._decrypts:
                self._ahead = asyncio.create_task(self._fetch())
            yield data
            del data

    async def close(self) -> None:
        """Keep the connection if the body was read to its end, else drop it. No thread keeps running."""
        if self._ahead is not None:
            self._exchange.abort()
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
            self._ahead = None
        self._drop_connection(reusable=self._left_in_reply == 0 and self._keep_alive)

    @property
    def _decrypts(self) -> bool:
        """Whether threads read the pieces. On plain sockets the kernel buffers them without help."""
        return self._connection is None or self._connection.secure

    async def _fetch(self) -> bytes:
        if data := self._at_hand():
            return data
        return await self._context.tried(_OPERATION, self._next_chunk)

    def _at_hand(self) -> bytes:
        """Return the next piece if all of it has arrived, as is usual in a large body; else keep what has
        arrived.

        Such a piece needs neither waiting nor a time limit.
        """
        connection = self._connection
        if connection is None or connection.secure:
            return b""
        size = min(self._step(), self.length - self._received)
        if (missing := size - len(self._early)) > 0:
            data = connection.read_now(missing)
            self._left_in_reply -= len(data)
            self._early += data
        if len(self._early) < size:
            return b""
        data, self._early = self._early[: self.length - self._received], b""
        self._context.calls.received(len(data))
        return data

    async def _next_chunk(self) -> bytes:
        """Return the next piece. A connection lost meanwhile is replaced, at the byte where it broke."""
        calls = self._context.calls
        if self._connection is None:
            await calls.counted(_OPERATION, self._request, again=True)()
        early, self._early = self._early[: self.length - self._received], b""
        size = min(self._step(), self.length - self._received) - len(early)
        data = early + await self._more(size) if size > 0 else early
        calls.received(len(data))
        return data

    async def _more(self, size: int) -> bytes:
        connection = self._connection
        if connection is None:
            raise StoreUnavailable(operation=_OPERATION)
        try:
            if size <= FIRST_READ or not connection.secure:
                data = await on_loop(connection.read_exactly(size), connection.sock)
            else:
                data = await self._context.offload.read(
                    lambda _: on_thread(connection.read_exactly(size), connection.sock), self._exchange
                )
        except Exception as error:
            self._drop_connection(reusable=False)
            translated = errors.translate(error, _OPERATION)
            self._context.calls.ended(_OPERATION, translated)
            raise translated from error
        self._left_in_reply -= len(data)
        return data

    def _step(self) -> int:
        """Return the size of the next piece, which grows with the bytes taken: a reader that takes nothing
        holds little.
        """
        most = self._context.settings.read_chunk_size
        return min(most, max(FIRST_READ, 2 * self._received))

    async def _request(self) -> tuple[ObjectInfo, int]:
        """Request the missing bytes. Return the object's facts and the number of bytes in the reply."""
        exchange = self._exchange = Exchange()
        request = self._light_request()
        idle = self._context.light.for_loop(request)
        if idle is None:
            head = await self._context.offload.read(partial(self._open, request), exchange)
        else:
            head = await self._open_on_loop(request, exchange, idle)
        try:
            info = object_info(self._ref.key, head.headers)
            available = self._check_range(head, info)
        except StoreUnavailable:
            self._drop_connection(reusable=False)
            raise
        self._early, self._keep_alive = head.early, head.keep_alive
        self._left_in_reply = available - len(head.early)
        return info, available

    def _open(self, request: LightRequest, exchange: Exchange) -> Head:
        try:
            # assigned at once, so that close() finds it even if the waiting task is cancelled now
            self._connection, head = self._context.light.open(request, exchange)
        except Exception as error:
            raise errors.translate(error, _OPERATION) from error
        return head

    async def _open_on_loop(self, request: LightRequest, exchange: Exchange, idle: Connection) -> Head:
        try:
            head = await self._context.light.open_on_loop(request, exchange, idle)
        except Exception as error:
            raise errors.translate(error, _OPERATION) from error
        self._connection = idle
        return head

    def _light_request(self) -> LightRequest:
        headers = {"x-amz-checksum-mode": "ENABLED"}
        start = self.offset + self._received
        if start or self._wanted is not None:
            end = "" if self._wanted is None else str(self.offset + self._wanted - 1)
            headers["range"] = f"bytes={start}-{end}"
        # a resumed read must not continue with another object
        etag = self._info.etag if self._info is not None else self._if_match
        if etag:
            headers["if-match"] = f'"{etag}"'
        query = {} if self._ref.version_id is None else {"versionId": self._ref.version_id}
        return LightRequest(method="GET", key=self._ref.key, query=query, headers=headers)

    def _check_range(self, head: Head, info: ObjectInfo) -> int:
        start = self.offset + self._received
        part = content_range(head.headers)
        if part is not None and part[0] == start:
            return part[1] - part[0] + 1
        if part is None and head.status == 200 and start == 0:
            return info.size
        raise StoreUnavailable("The object store answered with another range than asked for.")

    async def _start_without_bytes(self) -> None:
        """Open an empty range: the facts and the conditions are needed all the same."""
        from_end = S3Stream(self._context, self._ref, offset=self.offset, length=1, if_match=self._if_match)
        try:
            await from_end.start()
            self._info = from_end.info
        finally:
            await from_end.close()

    def _drop_connection(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._exchange.attach(None)
            self._context.light.give_back(connection, reusable=reusable)
