"""How calls end: statuses, deadlines, cancellation by either side, refusals; equal on both channels."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from tests.contract.channel.conftest import Client, Watched, Way, failure

CODE = grpc.StatusCode


async def aborting(request: Any, context: Any) -> bytes:
    await context.abort(CODE.NOT_FOUND, "nope", (("why", "gone"), ("status-bin", b"\0\1")))
    return b""


async def failing(request: Any, context: Any) -> bytes:
    raise ValueError("boom")


async def coding(request: Any, context: Any) -> bytes:
    context.set_code(CODE.DATA_LOSS)
    context.set_details("lost")
    context.set_trailing_metadata((("a", "b"),))
    return b"dropped"


async def trailing_then_aborting(request: Any, context: Any) -> bytes:
    context.set_trailing_metadata((("kept", "yes"),))
    await context.abort(CODE.ABORTED, "conflict")
    return b""


@pytest.mark.parametrize(
    ("servicer", "code", "details", "trailers"),
    [
        (aborting, CODE.NOT_FOUND, "nope", (("why", "gone"), ("status-bin", b"\0\1"))),
        (failing, CODE.UNKNOWN, "Unexpected <class 'ValueError'>: boom", ()),
        (coding, CODE.DATA_LOSS, "lost", (("a", "b"),)),
        (trailing_then_aborting, CODE.ABORTED, "conflict", (("kept", "yes"),)),
    ],
)
async def test_statuses(way: Way, servicer: Any, code: Any, details: str, trailers: Any) -> None:
    async def stream(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"
        await servicer(request, context)

    async with way(unary=servicer, up=servicer, down=stream, both=stream) as client:
        for call in (client.unary(b""), client.up(iter([b"a"]))):
            error = await failure(call)
            assert (error.code(), error.details(), tuple(error.trailing_metadata())) == (
                code,
                details,
                trailers,
            )
            assert (await call.code(), await call.details()) == (code, details)
        for call in (client.down(b""), client.both(iter([b"a"]))):
            got: list[bytes] = []
            error = await failure(_all_into(got, call))
            assert got == [b"one", b"two"]  # messages before a status are delivered
            assert error.code() is code
            assert tuple(await call.trailing_metadata()) == trailers
            assert (await failure(call.read())).code() is code


async def _all_into(got: list[bytes], call: Any) -> None:
    async for message in call:
        got.append(message)  # noqa: PERF401 - messages before the error are wanted


async def test_an_unknown_method(way: Way) -> None:
    async with way() as client:
        error = await failure(client.unknown(b""))
        assert (error.code(), error.details()) == (CODE.UNIMPLEMENTED, "Method not found!")


async def test_the_deadline_reaches_the_servicer_and_ends_the_call_on_both_sides(way: Way) -> None:
    watched = Watched()
    left: list[float | None] = []

    async def servicer(request: Any, context: Any) -> bytes:
        left.append(context.time_remaining())
        return await watched.forever(request, context)

    async with way(unary=servicer) as client:
        call = client.unary(b"", timeout=0.5)
        assert 0 < call.time_remaining() <= 0.5
        error = await failure(call)
        assert (error.code(), error.details()) == (CODE.DEADLINE_EXCEEDED, "Deadline Exceeded")
        assert not call.cancelled()
        await watched.ended.wait()
        assert watched.how == "cancelled"
        assert left[0] is not None
        assert 0 < left[0] <= 0.6  # on the wire it is rounded up


@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_that_has_passed(way: Way, timeout: float) -> None:
    async with way(unary=Watched().forever) as client:
        assert (await failure(client.unary(b"", timeout=timeout))).code() is CODE.DEADLINE_EXCEEDED


async def test_without_a_deadline_there_is_none(way: Way) -> None:
    async def servicer(request: Any, context: Any) -> bytes:
        return repr(context.time_remaining()).encode()

    async with way(unary=servicer) as client:
        call = client.unary(b"")
        assert call.time_remaining() is None
        assert await call == b"None"


@pytest.mark.parametrize("kind", ["down", "up", "both"])
async def test_the_deadline_of_a_stream(way: Way, kind: str) -> None:
    watched = Watched()
    servicer: Any = watched.forever if kind == "up" else watched.trickle
    async with way(**{kind: servicer}) as client:
        call = getattr(client, kind)(*([b""] if kind == "down" else []), timeout=0.5)
        if kind == "up":
            error = await failure(call)
        else:
            assert await call.read() == b"first"
            error = await failure(call.read())
        assert error.code() is CODE.DEADLINE_EXCEEDED
        await watched.ended.wait()
        assert watched.how == "cancelled"


@pytest.mark.parametrize("kind", ["unary", "down", "up", "both"])
@pytest.mark.parametrize("by", ["cancel", "task"])
async def test_a_caller_that_leaves_ends_its_servicer(way: Way, kind: str, by: str) -> None:
    watched = Watched()
    servicer: Any = watched.trickle if kind in ("down", "both") else watched.forever
    async with way(**{kind: servicer}) as client:
        call = await _begun(client, kind, watched)
        if by == "cancel":
            assert call.cancel()
            assert not call.cancel()
            assert call.cancelled()
            with pytest.raises(asyncio.CancelledError):
                await _outcome(call, kind)
            assert await call.details() == "Locally cancelled by application!"
        else:
            task = asyncio.ensure_future(_outcome(call, kind))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await call.code() is CODE.CANCELLED
        await watched.ended.wait()
        assert watched.how == "cancelled"


async def _begun(client: Client, kind: str, watched: Watched) -> Any:
    """A call whose servicer never answers."""
    call = getattr(client, kind)(*([b""] if kind in ("unary", "down") else []))
    if kind in ("down", "both"):
        assert await call.read() == b"first"
    await watched.begun.wait()
    return call


async def _outcome(call: Any, kind: str) -> Any:
    return await (call.read() if kind in ("down", "both") else call)


@pytest.mark.parametrize("kind", ["unary", "down", "up", "both"])
async def test_within_a_process_a_call_that_nobody_holds_ends_its_servicer(kind: str) -> None:
    """grpc.aio promises the same (its calls have a ``__del__``), and mostly does it."""
    watched = Watched()
    servicer: Any = watched.trickle if kind in ("down", "both") else watched.forever
    async with Way("inprocess")(**{kind: servicer}) as client:
        call = await _begun(client, kind, watched)
        told = asyncio.Event()
        call.add_done_callback(lambda _: told.set())
        del call
        gc.collect()
        await watched.ended.wait()
        assert watched.how == "cancelled"
        await told.wait()


async def test_within_a_process_leaving_the_loop_ends_the_servicer() -> None:
    watched = Watched()
    async with Way("inprocess")(down=watched.trickle) as client:
        async for message in client.down(b""):
            assert message == b"first"
            break
        gc.collect()
        await watched.ended.wait()
        assert watched.how == "cancelled"


async def test_an_iterator_of_requests_that_fails_cancels_the_call(way: Way) -> None:
    watched = Watched()

    async def servicer(requests: Any, context: Any) -> bytes:
        async for _ in requests:
            watched.begun.set()
        return await watched.forever(requests, context)

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        await watched.begun.wait()
        raise RuntimeError("the source is gone")

    async with way(up=servicer) as client:
        call = client.up(broken())
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await call.code() is CODE.CANCELLED


@pytest.mark.parametrize("how", ["returns", "aborts", "fails"])
async def test_a_writer_does_not_hang_when_the_servicer_ends_early(way: Way, how: str) -> None:
    async def servicer(requests: Any, context: Any) -> bytes:
        await anext(aiter(requests))
        if how == "aborts":
            await context.abort(CODE.FAILED_PRECONDITION, "no more")
        if how == "fails":
            raise ValueError("boom")
        return b"enough"

    async with way(up=servicer) as client:
        call = client.up()
        with pytest.raises((aio.AioRpcError, asyncio.InvalidStateError)):  # noqa: PT012 - as long as it takes
            while True:
                await call.write(b"x" * 100_000)
        await call.done_writing()
        wanted = {"aborts": CODE.FAILED_PRECONDITION, "fails": CODE.UNKNOWN, "returns": CODE.OK}[how]
        found = await call.code()
        # grpc.aio replaces a status that meets a write by INTERNAL
        # (https://github.com/grpc/grpc/issues/36066)
        assert found is wanted or (client.way == "http2" and found is CODE.INTERNAL)
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"y")


async def test_writing_after_the_end(way: Way) -> None:
    async def until_stop(requests: Any, context: Any) -> bytes:
        async for request in requests:
            if request == b"stop":
                return b"early"
        return b"end"

    async with way(up=until_stop) as client:
        call = client.up()
        await call.write(b"stop")
        assert await call == b"early"
        with pytest.raises(asyncio.InvalidStateError, match="RPC already finished"):
            await call.write(b"z")
        await call.done_writing()
        closed = client.up()
        await closed.write(b"a")
        await closed.done_writing()
        with pytest.raises(asyncio.InvalidStateError, match="half closed"):
            await closed.write(b"b")
        assert await closed == b"end"
        left = client.up()
        left.cancel()
        with pytest.raises(asyncio.InvalidStateError):
            await left.write(b"z")


async def test_a_cancellation_that_a_servicer_lets_escape_is_not_the_callers(way: Way) -> None:
    """Over HTTP/2 the caller notices only at the deadline; in the same process the call ends at once."""

    async def servicer(request: Any, context: Any) -> bytes:
        raise asyncio.CancelledError

    async with way(unary=servicer) as client:
        error = await failure(client.unary(b"", timeout=0.5))
        wanted = CODE.DEADLINE_EXCEEDED if client.way == "http2" else CODE.CANCELLED
        assert error.code() is wanted


async def test_done_callbacks(way: Way) -> None:
    heard: list[Any] = []
    served = asyncio.Event()

    async def servicer(request: bytes, context: Any) -> bytes:
        context.add_done_callback(lambda _: served.set())
        return request

    async with way(unary=servicer) as client:
        call = client.unary(b"x")
        done = asyncio.Event()
        call.add_done_callback(heard.append)
        call.add_done_callback(lambda _: done.set())
        assert await call == b"x"
        await done.wait()
        assert heard == [call]
        late = asyncio.Event()
        call.add_done_callback(lambda _: late.set())
        await late.wait()
        await served.wait()


async def test_an_error_that_was_handled_is_gone_without_the_garbage_collector() -> None:
    """Its frames contain what the caller was sending. gRPC's own stay until a garbage collection."""
    async with Way("inprocess")(unary=aborting) as client:
        caught: list[weakref.ref[aio.AioRpcError]] = []
        gc.disable()
        try:
            try:
                await client.unary(b"")
            except aio.AioRpcError as error:
                caught.append(weakref.ref(error))
            assert [one() for one in caught] == [None]
        finally:
            gc.enable()
