"""The light path: signed requests over pooled connections, one try each.

The event loop makes small requests itself if an idle connection exists (decision 0079); all others are made
by a bounded number of threads. Raises ``ReplyError``, ``WireError`` or what the credential source raises;
callers apply ``errors.translate``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from servicekit.context import caller
from servicekit.limits.counts import Hold
from servicekit.limits.places import Halves
from storage_service.objectstore.s3.credentials import CredentialSource
from storage_service.objectstore.s3.errors import ReplyError
from storage_service.objectstore.s3.http.connection import Broken, Connection, Head, WireError, request_head
from storage_service.objectstore.s3.http.pool import ConnectionPool
from storage_service.objectstore.s3.http.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    SigV4,
    encode_query,
    sha256_of,
)
from storage_service.objectstore.s3.http.steps import Steps, on_loop, on_thread
from storage_service.objectstore.s3.options import Endpoint, PayloadSigning
from storage_service.objectstore.values import Chunk

_USER_AGENT = "strongroom"
#: Larger bodies are sent by a thread: copying them to the kernel, or hashing them, would block the loop.
LOOP_BODY: Final = 1024 * 1024
LOOP_HASH: Final = 64 * 1024


class Exchange:
    """Lets the event loop end a request that a thread is working on, at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._aborted = False
        self.sent_at: float | None = None
        """When the whole request had been sent (``time.monotonic``); None until then."""

    @property
    def aborted(self) -> bool:
        """Whether ``abort`` was called."""
        return self._aborted

    def attach(self, connection: Connection | None) -> None:
        """Set the connection that the thread uses; None: none any more. Raises Broken after an abort."""
        with self._lock:
            self._connection = connection
            if self._aborted and connection is not None:
                connection.close()
                raise Broken("aborted", sent=False)

    def abort(self) -> None:
        """End the exchange: its thread soon fails with Broken."""
        with self._lock:
            self._aborted = True
            if self._connection is not None:
                self._connection.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class LightRequest:
    """One request on a key. ``headers`` have lower-case names. ``mid_body``: see Connection.send."""

    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[Chunk] = ()
    size: int = 0
    mid_body: Callable[[], None] | None = None


class LightClient:
    """Makes requests, each on one connection. Threads may share a client."""

    def __init__(
        self,
        endpoint: Endpoint,
        pool: ConnectionPool,
        signer: SigV4,
        credentials: CredentialSource,
        sign_payload: PayloadSigning,
    ) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._signer = signer
        self._credentials = credentials
        trusted_path = endpoint.secure or endpoint.loopback
        self._signs_payload = sign_payload == "always" or (sign_payload == "auto" and not trusted_path)

    def call(self, request: LightRequest, exchange: Exchange) -> Head:
        """Send the request and read the whole, small reply. Blocks. Raises ReplyError unless the status is
        2xx.
        """
        connection = self._pool.take()
        return on_thread(self._calling(request, exchange, connection), connection.sock)

    async def call_on_loop(self, request: LightRequest, exchange: Exchange, connection: Connection) -> Head:
        """Like ``call``, on a connection from ``for_loop``."""
        return await on_loop(self._calling(request, exchange, connection), connection.sock)

    def open(self, request: LightRequest, exchange: Exchange) -> tuple[Connection, Head]:
        """Send the request and leave a successful body unread on its connection, which the caller gives back.

        Blocks.
        """
        connection = self._pool.take()
        return connection, on_thread(self._opening(request, exchange, connection), connection.sock)

    async def open_on_loop(self, request: LightRequest, exchange: Exchange, connection: Connection) -> Head:
        """Like ``open``, on a connection from ``for_loop``."""
        return await on_loop(self._opening(request, exchange, connection), connection.sock)

    def for_loop(self, request: LightRequest) -> Connection | None:
        """Return a connection on which the event loop can make this request without blocking; None: use a
        thread.
        """
        limit = LOOP_HASH if self._signs_payload or self._pool.secure else LOOP_BODY
        if request.size > limit or request.mid_body is not None or not self._credentials.ready:
            return None
        return self._pool.take_idle()

    def _calling(self, request: LightRequest, exchange: Exchange, connection: Connection) -> Steps[Head]:
        head = yield from self._begin(request, exchange, connection)
        body = yield from self._rest(head, exchange, connection)
        _raise_for_status(head, body)
        return Head(head.status, head.headers, body, complete=True, keep_alive=head.keep_alive)

    def _opening(self, request: LightRequest, exchange: Exchange, connection: Connection) -> Steps[Head]:
        head = yield from self._begin(request, exchange, connection)
        if head.status < 300:
            return head
        body = yield from self._rest(head, exchange, connection)
        _raise_for_status(head, body)
        raise AssertionError("unreachable: a status of 300 and above is an error")

    def _rest(self, head: Head, exchange: Exchange, connection: Connection) -> Steps[bytes]:
        reusable = False
        try:
            body = yield from connection.read_small_body(head)
            reusable = head.keep_alive
        finally:
            exchange.attach(None)
            self._pool.give_back(connection, reusable=reusable)
        return body

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """Return a connection that ``open`` returned."""
        self._pool.give_back(connection, reusable=reusable)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _begin(self, request: LightRequest, exchange: Exchange, connection: Connection) -> Steps[Head]:
        try:
            head_bytes = self._head_bytes(request)
            exchange.attach(connection)
            try:
                yield from connection.send(head_bytes, request.chunks, request.mid_body)
                exchange.sent_at = time.monotonic()
            except WireError:
                answered = yield from connection.read_last_words()
                if answered is None:
                    raise
                return answered
            return (yield from connection.read_head(bodiless=request.method == "HEAD"))
        except BaseException:
            exchange.attach(None)
            connection.close()
            raise

    def _head_bytes(self, request: LightRequest) -> bytes:
        path, query = self._endpoint.path_of(request.key), encode_query(request.query)
        headers = {"host": self._endpoint.host_header, **request.headers}
        signed = self._signer.sign(
            request.method,
            path,
            query,
            headers,
            payload_hash=self._payload_hash(request),
            credentials=self._credentials.current(),
            now=datetime.now(UTC),
        )
        signed["user-agent"] = _USER_AGENT
        if request.method in {"PUT", "POST"}:
            signed["content-length"] = str(request.size)
        return request_head(request.method, path, query, signed)

    def _payload_hash(self, request: LightRequest) -> str:
        if not request.chunks:
            return EMPTY_SHA256
        return sha256_of(request.chunks) if self._signs_payload else UNSIGNED_PAYLOAD


def _raise_for_status(head: Head, body: bytes) -> None:
    if not 200 <= head.status < 300:
        raise ReplyError(head.status, head.headers, body)


T = TypeVar("T")

_ABORT_GRACE = 2.0


class Offload:
    """Separate thread pools, so that slow uploads delay neither downloads nor control calls.

    Calls that take a store minutes (a copy, a completion) have a pool of their own. In it, a caller gets at
    most half of the threads that others leave free; background work counts as one caller.
    """

    def __init__(self, *, max_writes: int, max_reads: int, max_control_calls: int) -> None:
        self._writes = ThreadPoolExecutor(max_writes, "s3-write")
        self._reads = ThreadPoolExecutor(max_reads, "s3-read")
        self._controls = ThreadPoolExecutor(max_control_calls, "s3-control")
        self._slow = ThreadPoolExecutor(max_control_calls, "s3-slow")
        self._slow_places = Halves(max_control_calls)

    async def write(self, call: Callable[[Exchange], T]) -> T:
        """Run ``call``, which sends bytes.

        When cancelled, abort its exchange and wait until it has released the bytes.
        """
        return await self._abortable(self._writes, call, Exchange())

    async def read(self, call: Callable[[Exchange], T], exchange: Exchange | None = None) -> T:
        """Run ``call``, which receives. When cancelled, abort its exchange."""
        return await self._abortable(self._reads, call, exchange or Exchange())

    async def control(self, call: Callable[[], T], timeout: float, *, slow: bool = False) -> T:
        """Run ``call``. Raises TimeoutError after ``timeout`` seconds.

        The thread then continues until its own time limit. A ``slow`` call waits for a turn of its caller,
        which is given back only when the thread ends.
        """
        turn = await self._slow_places.take(caller()) if slow else Hold(lambda: None)
        try:
            future = asyncio.wrap_future((self._slow if slow else self._controls).submit(call))
        except BaseException:  # the pool is closed
            turn.release()
            raise
        future.add_done_callback(_retrieve)
        future.add_done_callback(lambda _: turn.release())
        async with asyncio.timeout(timeout):
            return await asyncio.shield(future)

    async def close(self) -> None:
        """Wait for bodies being transferred, then end the threads. A control call may outlive its
        deadline.
        """
        for pool in (self._controls, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._writes, self._reads):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def _abortable(
        self, pool: ThreadPoolExecutor, call: Callable[[Exchange], T], exchange: Exchange
    ) -> T:
        submitted: Future[T] = pool.submit(_letting_go, [call], exchange)
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not submitted.cancel():
                exchange.abort()
                # The caller gives its byte budget back next, which must not happen before the bytes are
                # released.
                await asyncio.wait({future}, timeout=_ABORT_GRACE)
            raise


def _letting_go(call: list[Callable[[Exchange], T]], exchange: Exchange) -> T:
    """Take ``call`` out of its list and run it.

    So an aborted thread holds none of the call's bytes when its future is done, not even in the frames of its
    error. The executor itself releases both only some time later.
    """
    try:
        return call.pop()(exchange)
    except BaseException:
        if not exchange.aborted:
            raise
    raise Broken("aborted", sent=True)


def _retrieve(future: asyncio.Future[T]) -> None:
    """Retrieve the error of a future that is no longer awaited, so that it is neither logged nor kept with
    its bytes.
    """
    if not future.cancelled():
        future.exception()
