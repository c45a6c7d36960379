"""A cancelled upload stops sending and releases its bytes, so that the byte budget is correct."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from storage_service.objectstore.s3.store import S3ObjectStore
from tests.unit.storage_service.objectstore.s3.scripted_server import Request, hang, put_ok
from tests.unit.storage_service.objectstore.s3.scripted_store import ATTRS, put_body, scripted


class Buffer(bytearray):
    """Bytes with weak references."""

    __slots__ = ("__weakref__",)


def start(store: S3ObjectStore, size: int) -> tuple[asyncio.Task[object], weakref.ref[Buffer]]:
    buffer = Buffer(size)
    task: asyncio.Task[object] = asyncio.create_task(
        store.put("key", [buffer], size=size, crc32c=0, attrs=ATTRS)
    )
    return task, weakref.ref(buffer)


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


@pytest.fixture
def threads_that_wait() -> Iterator[None]:
    """Give a thread the interpreter for seconds, so that other threads can't release bytes in between."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_that_wait")
async def test_while_the_store_does_not_read() -> None:
    reading = threading.Event()

    def not_reading(_: socket.socket, __: Request) -> None:
        reading.set()
        hang(240)(_, __)

    async with scripted(not_reading, early=True, read_timeout=60.0, reply_timeout=240.0) as (store, _):
        task, buffer = start(store, 64 << 20)
        await asyncio.to_thread(reading.wait, 20)
        await cancelled(task)
        del task
        gc.collect()
        assert buffer() is None


async def test_while_waiting_for_the_reply() -> None:
    async with scripted(hang(240), put_ok("e2"), reply_timeout=240.0) as (store, server):
        task, buffer = start(store, 1000)
        while not server.requests:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.01)
        await cancelled(task)
        del task
        gc.collect()
        assert buffer() is None
        assert (await put_body(store)).etag == "e2"


async def test_before_a_thread_was_free() -> None:
    async with scripted(hang(240), put_ok("e2"), reply_timeout=240.0, max_writes=1) as (store, server):
        first, _ = start(store, 10)
        while not server.requests:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.01)
        waiting, _ = start(store, 10)
        await asyncio.sleep(0.05)
        await cancelled(waiting)
        await cancelled(first)
        assert (await put_body(store)).etag == "e2"
    assert [len(request.body) for request in server.requests] == [10, 9]
