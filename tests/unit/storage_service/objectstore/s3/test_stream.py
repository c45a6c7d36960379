"""GetObject bodies: pieces, breaks, resumption and connections."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.s3.stream import FIRST_READ
from storage_service.objectstore.values import MIB, ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import (
    HangUp,
    Request,
    Step,
    answer,
    failure,
    head_of,
    object_head,
    raw,
    reset,
)
from tests.unit.storage_service.objectstore.s3.scripted_store import scripted

BODY = bytes(range(256)) * 1024 * 12  # 3 MiB
REF = ObjectRef("key", "v1")


def serve(body: bytes = BODY, *, upto: int | None = None, etag: str = "e1", stall: float = 0.0) -> Step:
    """Answer GetObject with the requested range; after ``upto`` bytes, wait ``stall`` seconds and close."""

    def step(sock: socket.socket, request: Request) -> None:
        text = request.headers.get("range")
        if text is None:
            head, piece = head_of(200, object_head(len(body), etag)), body
        else:
            first, _, last = text.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
            piece = body[start : end + 1]
            part = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
            head = head_of(206, object_head(len(piece), etag, **part))
        sock.sendall(head + piece[:upto])
        if upto is not None:
            time.sleep(stall)
            raise HangUp

    return step


async def read(store: S3ObjectStore, *, offset: int = 0, length: int | None = None) -> bytes:
    async with store.open(REF, offset=offset, length=length) as stream:
        return b"".join([chunk async for chunk in stream])


async def test_what_a_get_looks_like() -> None:
    async with scripted(serve(), serve()) as (store, server):
        assert await read(store) == BODY
        assert await read(store, offset=5, length=10) == BODY[5:15]
    whole, part = server.requests
    assert (whole.method, whole.path, whole.query) == ("GET", "/bucket/key", {"versionId": "v1"})
    assert "range" not in whole.headers
    assert part.headers["range"] == "bytes=5-14"
    assert [request.connection for request in server.requests] == [1, 1]


async def test_the_first_piece_comes_before_the_rest_exists() -> None:
    more = threading.Event()

    def step(sock: socket.socket, _: Request) -> None:
        sock.sendall(head_of(200, object_head(len(BODY))) + BODY[:FIRST_READ])
        more.wait(240)
        sock.sendall(BODY[FIRST_READ:])

    async with scripted(step, read_timeout=240.0) as (store, _), store.open(REF) as stream:
        pieces = stream.__aiter__()
        first = await asyncio.wait_for(anext(pieces), 60)
        assert not more.is_set()
        more.set()
        assert b"".join([first, *[piece async for piece in pieces]]) == BODY


async def test_what_has_come_is_not_waited_for() -> None:
    body = BODY[: 2 * FIRST_READ]
    async with scripted(serve(body), serve()) as (store, server):
        async with store.open(REF) as stream:
            await _has_come(stream, len(body))
            pieces, read_at_once = stream.__aiter__(), b""
            while len(read_at_once) < len(body):
                taking: Any = anext(pieces)
                with pytest.raises(StopIteration) as taken:  # the loop never gets control
                    taking.send(None)
                read_at_once += taken.value.value
        assert read_at_once == body
        assert await read(store) == BODY
    assert [request.connection for request in server.requests] == [1, 1]


async def _has_come(stream: Any, size: int) -> None:
    """Wait until kernel buffer and early bytes contain so many bytes."""
    async with asyncio.timeout(60):
        while True:
            (unread,) = struct.unpack("i", fcntl.ioctl(stream._connection.sock, termios.FIONREAD, b"\0" * 4))
            if unread + len(stream._early) >= size:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("upto", [0, 1, FIRST_READ, MIB + 77, len(BODY) - 1])
async def test_a_body_that_breaks_is_taken_up_where_it_broke(upto: int) -> None:
    async with scripted(serve(upto=upto), serve()) as (store, server):
        assert await read(store) == BODY
    resumed = server.requests[1].headers
    assert resumed["if-match"] == '"e1"'
    assert resumed.get("range", "bytes=0-").startswith("bytes=")


async def test_a_body_that_stalls_is_taken_up_where_it_stalled() -> None:
    async with scripted(serve(upto=MIB, stall=12), serve(), read_timeout=3.0) as (store, server):
        assert await read(store) == BODY
    assert server.requests[1].headers["range"].startswith("bytes=")


async def test_resuming_inside_a_range_asks_for_the_rest_of_it() -> None:
    async with scripted(serve(upto=FIRST_READ), serve()) as (store, server):
        assert await read(store, offset=1000, length=2 * MIB) == BODY[1000 : 1000 + 2 * MIB]
    last = 1000 + 2 * MIB - 1
    assert server.requests[0].headers["range"] == f"bytes=1000-{last}"
    start, _, end = server.requests[1].headers["range"].removeprefix("bytes=").partition("-")
    assert 1000 < int(start) <= 1000 + FIRST_READ
    assert int(end) == last


async def test_it_never_continues_in_another_object() -> None:
    async with scripted(serve(upto=MIB), failure(412, "PreconditionFailed")) as (store, _):
        with pytest.raises(errors.PreconditionFailed):
            await read(store)


async def test_a_body_that_keeps_breaking_is_an_error_not_an_end() -> None:
    broken = serve(upto=0)
    async with scripted(broken, broken, broken, broken, max_attempts=3) as (store, server):
        with pytest.raises(errors.StoreUnavailable):
            await read(store)
    assert len(server.requests) >= 3


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (failure(404, "NoSuchKey"), errors.ObjectNotFound),
        (failure(404, "NoSuchVersion"), errors.ObjectNotFound),
        (answer(405, x_amz_delete_marker="true"), errors.ObjectNotFound),
        (failure(412, "PreconditionFailed"), errors.PreconditionFailed),
        (failure(403, "AccessDenied"), errors.AccessDenied),
        (raw(head_of(200, {"Content-Length": "5"}) + b"hello"), errors.StoreUnavailable),
        (
            raw(head_of(200, object_head(5, **{"Last-Modified": "yesterday"})) + b"hello"),
            errors.StoreUnavailable,
        ),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), errors.StoreUnavailable),
    ],
)
async def test_answers_that_open_nothing(step: Step, kind: type[errors.StoreError]) -> None:
    async with scripted(step, max_attempts=1) as (store, _):
        with pytest.raises(kind):
            await read(store)


@pytest.mark.parametrize("headers", [object_head(5), object_head(5, **{"Content-Range": "bytes 0-4/100"})])
async def test_another_range_than_asked_for(headers: dict[str, str]) -> None:
    status = 206 if "Content-Range" in headers else 200
    async with scripted(raw(head_of(status, headers) + b"hello"), max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreUnavailable, match="range"):
            await read(store, offset=7)


async def test_a_store_that_ignores_the_end_of_a_range() -> None:
    async with scripted(raw(head_of(200, object_head(len(BODY))) + BODY)) as (store, _):
        assert await read(store, length=100) == BODY[:100]


async def test_opening_is_tried_again() -> None:
    async with scripted(failure(503, "SlowDown"), reset(), serve()) as (store, _):
        assert await read(store) == BODY


async def test_leaving_early_drops_the_connection_and_reading_on_keeps_it() -> None:
    async with scripted(serve(), serve(), serve()) as (store, server):
        async with store.open(REF) as stream:
            async for _ in stream:
                break
        await read(store)
        await read(store)
    assert [request.connection for request in server.requests] == [1, 2, 2]


async def test_cancelling_ends_the_thread_at_once() -> None:
    quiet = serve(upto=0, stall=240)
    async with scripted(quiet, read_timeout=240.0) as (store, _):
        task = asyncio.create_task(read(store))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not _busy_readers(store))


def _busy_readers(store: S3ObjectStore) -> int:
    pool = store._context.offload._reads
    return len(pool._threads) - pool._idle_semaphore._value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - threads fulfil it
            await asyncio.sleep(0.01)
