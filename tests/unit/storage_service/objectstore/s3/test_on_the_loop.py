"""The event loop makes small requests on open connections; threads make all others, as before."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.s3.client import LOOP_BODY, LOOP_HASH, Offload
from storage_service.objectstore.s3.http.connection import Connection, Timeouts
from storage_service.objectstore.s3.http.steps import on_loop
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import (
    Request,
    ScriptedServer,
    Step,
    drip,
    failure,
    hang,
    head_of,
    object_head,
    put_ok,
    raw,
    reset,
)
from tests.unit.storage_service.objectstore.s3.scripted_store import ATTRS, put_body, scripted

#: Answer to the request that opens the connection, before all others.
OPENED = put_ok("opened")


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the requests and bodies that went to a thread."""
    seen: list[str] = []
    write, read = Offload.write, Offload.read

    async def watched_write(self: Offload, *arguments: object) -> object:
        seen.append("write")
        return await write(self, *arguments)  # type: ignore[arg-type]

    async def watched_read(self: Offload, *arguments: object) -> object:
        seen.append("read")
        return await read(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Offload, "write", watched_write)
    monkeypatch.setattr(Offload, "read", watched_read)
    return seen


@asynccontextmanager
async def opened(
    hops: list[str], *steps: Step, **options: object
) -> AsyncIterator[tuple[S3ObjectStore, ScriptedServer]]:
    """Yield a store with one idle connection. ``hops`` is empty again."""
    async with scripted(OPENED, *steps, **options) as (store, server):  # type: ignore[arg-type]
        await put_body(store)
        hops.clear()
        yield store, server


async def read(store: S3ObjectStore) -> bytes:
    async with store.open(ObjectRef("key")) as stream:
        return b"".join([piece async for piece in stream])


async def put(store: S3ObjectStore, size: int) -> str:
    found = await store.put("key", [bytes(size)], size=size, crc32c=0, attrs=ATTRS)
    return found.etag


async def test_put_get_and_head_take_no_thread(hops: list[str]) -> None:
    body = bytes(range(256)) * 16
    get = raw(head_of(200, object_head(len(body))) + body)
    async with opened(hops, put_ok("e2"), get, raw(head_of(200, object_head(5)))) as (store, server):
        assert await put(store, 1000) == "e2"
        assert await read(store) == body
        assert (await store.head(ObjectRef("key"))).size == 5
    assert hops == []
    assert server.connections == 1


async def test_a_small_object_is_one_piece_however_it_comes(hops: list[str]) -> None:
    """Each piece would become a message of the response."""
    body = bytes(range(256)) * 16

    def in_two(sock: socket.socket, _: object) -> None:
        sock.sendall(head_of(200, object_head(len(body))) + body[:100])
        threading.Event().wait(0.05)
        sock.sendall(body[100:])

    async with opened(hops, in_two) as (store, _), store.open(ObjectRef("key")) as stream:
        assert [piece async for piece in stream] == [body]


@pytest.mark.parametrize(
    ("size", "options", "thread"),
    [
        (LOOP_BODY, {"sign_payload": "never"}, False),
        (LOOP_BODY + 1, {"sign_payload": "never"}, True),
        (LOOP_HASH, {"sign_payload": "always"}, False),
        (LOOP_HASH + 1, {"sign_payload": "always"}, True),
        (10, {"on_mid_body": lambda _: None}, True),
    ],
    ids=["a mebibyte", "more", "hashed", "more to hash", "with a failpoint"],
)
async def test_what_would_hold_the_loop_up_goes_to_a_thread(
    hops: list[str], size: int, options: dict[str, object], thread: bool
) -> None:
    async with opened(hops, put_ok("e2"), **options) as (store, _):
        assert await put(store, size) == "e2"
    assert hops == (["write"] if thread else [])


async def test_a_second_one_at_the_same_time_opens_its_own_connection(hops: list[str]) -> None:
    both = threading.Barrier(2)

    def once_both_are_there(answer: Step) -> Step:
        def step(sock: socket.socket, request: Request) -> None:
            both.wait(60)
            answer(sock, request)

        return step

    steps = (once_both_are_there(put_ok(name)) for name in "ab")
    async with opened(hops, *steps) as (store, server):
        assert sorted(await asyncio.gather(put(store, 10), put(store, 10))) == ["a", "b"]
    assert hops == ["write"]
    assert server.connections == 2


async def test_credentials_that_may_have_to_be_renewed(
    hops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(hops, put_ok("e2")) as (store, _):
        monkeypatch.setattr(type(store._context.credentials), "ready", False)
        assert await put(store, 10) == "e2"
    assert hops == ["write"]


@pytest.mark.parametrize(
    ("step", "kind", "unknown"),
    [
        (hang(60), errors.StoreTimeout, True),
        (drip(head_of(200, {"ETag": '"e1"', "Content-Length": "0"}), 0.3), errors.StoreTimeout, True),
        (raw(b"", then_close=True), errors.StoreUnavailable, True),
        (reset(), errors.StoreUnavailable, True),
        (raw(b"not http\r\n\r\n"), errors.StoreUnavailable, True),
        (failure(403, "AccessDenied"), errors.AccessDenied, False),
        (failure(503, "SlowDown"), errors.StoreThrottled, False),
    ],
    ids=["silence", "dripping", "closed", "reset", "no HTTP", "refused", "too fast"],
)
async def test_the_same_errors_as_on_threads(
    hops: list[str], step: Step, kind: type[errors.StoreError], unknown: bool
) -> None:
    async with opened(hops, step, reply_timeout=1.0, max_attempts=1) as (store, _):
        with pytest.raises(kind) as raised:
            await put(store, 10)
    assert raised.value.outcome_unknown is unknown
    assert hops == []


async def test_cancelled_while_waiting(hops: list[str]) -> None:
    """The connection, whose reply is still outstanding, is not used again."""
    async with opened(hops, hang(240), put_ok("e3"), reply_timeout=240.0) as (store, server):
        task = asyncio.create_task(put(store, 10))
        while len(server.requests) < 2:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await put(store, 10) == "e3"
        assert server.connections == 2
    assert hops == ["write"]


async def test_a_store_that_does_not_read(hops: list[str]) -> None:
    def not_reading(_: socket.socket, __: object) -> None:
        threading.Event().wait(3)

    async with scripted(
        OPENED, not_reading, early=True, read_timeout=0.3, reply_timeout=0.3, max_attempts=1
    ) as (store, _):
        await put_body(store)
        with pytest.raises(errors.StoreTimeout):
            await put(store, LOOP_BODY)


async def test_more_than_the_socket_takes_at_once() -> None:
    """Sends over a pair of sockets with small buffers, whose other end reads now and then."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    connection = Connection(ours, Timeouts(5, 5, 5))
    chunks = [bytes([number]) * 3000 for number in range(40)]
    received = bytearray()

    def drain() -> None:
        while piece := theirs.recv(1000):
            received.extend(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    await on_loop(connection.send(b"head", chunks), connection.sock)
    connection.close()
    await asyncio.to_thread(reader.join)
    theirs.close()
    assert bytes(received) == b"head" + b"".join(chunks)
