"""Large bodies let new requests pass, and otherwise don't wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from grpc import aio

from gateway.upstream import turns as module
from gateway.upstream.pump import CHUNK_BYTES, Intake
from gateway.upstream.streaming import Stream, StreamReply
from gateway.upstream.turns import STEP_BYTES, Turns
from strongroom.storage.v1.download_pb2 import DownloadResponse
from tests.unit.gateway.calls import make_call

LONG = 3600.0


@pytest.fixture
async def crowd(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Turns with one step per hour while a request is young; and a small request to begin and end."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", LONG)
    monkeypatch.setattr(module, "YOUNG_SECONDS", LONG)
    turns = Turns()
    await turns.step("somebody, just now")
    return turns, request(turns, "small")


@contextmanager
def request(turns: Turns, who: str) -> Iterator[None]:
    """A request, from its head to its answer."""
    turns.begin(who)
    try:
        yield
    finally:
        turns.settle(who)


async def settled() -> None:
    """Wait until nothing can make progress."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_where_nobody_is_young_nobody_waits(crowd: Any) -> None:
    turns, _ = crowd
    with request(turns, "large"):
        async with asyncio.timeout(60):
            for _ in range(100):
                await turns.step("large")  # young itself until its first step


async def test_large_bodies_wait_until_the_small_request_is_answered(crowd: Any) -> None:
    turns, small = crowd
    with small:
        waiting = [asyncio.create_task(turns.step(number)) for number in range(3)]
        await settled()
        assert not any(task.done() for task in waiting)
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)


async def test_one_that_has_given_up_holds_nobody_up(crowd: Any) -> None:
    turns, small = crowd
    with small:
        first, second = (asyncio.create_task(turns.step(number)) for number in range(2))
        await settled()
        first.cancel()
    async with asyncio.timeout(60):
        await second


async def test_meanwhile_they_go_on_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "YOUNG_SECONDS", LONG)
    turns, order = Turns(), list[int]()

    async def body(number: int) -> None:
        for _ in range(5):
            await turns.step(number)
            order.append(number)

    began = time.monotonic()
    with request(turns, "small"):
        await asyncio.gather(*map(body, range(4)))
    assert time.monotonic() - began > (len(order) - 2) * module.PAUSE_SECONDS
    for at in range(1, len(order)):
        shares = [order[:at].count(number) for number in range(4)]
        assert max(shares) - min(shares) <= 2


async def test_a_request_that_is_not_answered_for_long_is_not_waited_for(
    crowd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, small = crowd
    monkeypatch.setattr(module, "YOUNG_SECONDS", 0.0)
    with small:
        async with asyncio.timeout(60):
            await turns.step("large")


async def test_an_upload_takes_one_mebibyte_and_waits(crowd: Any) -> None:
    turns, small = crowd
    messages = [{"type": "http.request", "body": bytes(CHUNK_BYTES), "more_body": True} for _ in range(3)]
    call = make_call(messages=cast("Any", messages))
    cast("Any", call.services).turns = turns
    intake = Intake(call)
    with small:
        await intake.fill()
        intake.batch.cut()
        filling = asyncio.create_task(intake.fill())
        await settled()
        assert intake.batch.size == 0
    await filling
    assert intake.batch.size == CHUNK_BYTES


async def test_a_download_sends_one_mebibyte_and_waits(crowd: Any) -> None:
    turns, small = crowd
    size, taken = 5 * STEP_BYTES // 2, 0

    class Rpc:
        def __init__(self) -> None:
            self._left = size

        async def read(self) -> Any:
            piece = min(STEP_BYTES // 2, self._left)
            self._left -= piece
            return DownloadResponse(data=bytes(piece)) if piece else aio.EOF

        def cancel(self) -> None:
            self._left = 0

    async def send(message: Any) -> None:
        nonlocal taken
        taken += len(message.get("body", b""))

    call = make_call()
    cast("Any", call.services).turns = turns
    stream: Stream[Any] = Stream(call, cast("Any", None), Rpc())
    reply = StreamReply([], stream, DownloadResponse(read_size=size), total=size, ranged=False)
    with small:
        sending = asyncio.create_task(reply.send_to(call.scope, cast("Any", None), send))
        await settled()
        assert taken == STEP_BYTES
    await sending
    assert taken == size
