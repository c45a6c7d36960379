"""Messages and metadata of the four kinds of call, equal on both channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from tests.contract.channel.conftest import Way, failure


async def repeat(request: bytes, context: Any) -> bytes:
    return request * 2


async def count_down(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(int(request), 0, -1):
        yield b"%d" % number


async def join(requests: AsyncIterator[bytes], context: Any) -> bytes:
    return b"".join([request async for request in requests])


async def mirror(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def written(request: bytes, context: Any) -> None:
    await context.write(request)
    await context.write(b"")
    await context.write(request * 2)


async def read(request: Any, context: Any) -> bytes:
    found = []
    while (message := await context.read()) is not aio.EOF:
        found.append(message)
    return b"|".join(found)


async def test_unary(way: Way) -> None:
    async with way(unary=repeat) as client:
        call = client.unary(b"ab")
        assert await call == b"abab"
        assert await call == b"abab"  # again: the response is kept
        assert await call.code() is grpc.StatusCode.OK
        assert call.done()
        assert not call.cancelled()
        assert not call.cancel()
        assert await client.unary(b"") == b""


@pytest.mark.parametrize("servicer", [written, None])
async def test_server_stream(way: Way, servicer: Any) -> None:
    async with way(down=servicer or count_down) as client:
        wanted = [b"3", b"", b"33"] if servicer else [b"3", b"2", b"1"]
        assert [message async for message in client.down(b"3")] == wanted
        call = client.down(b"3")
        assert [await call.read() for _ in range(3)] == wanted
        assert await call.read() is aio.EOF
        assert await call.read() is aio.EOF
        assert call.done()


async def test_a_server_stream_without_messages(way: Way) -> None:
    async with way(down=count_down) as client:
        assert [message async for message in client.down(b"0")] == []
        assert await client.down(b"0").read() is aio.EOF


@pytest.mark.parametrize("servicer", [join, read])
async def test_client_stream_written_and_iterated(way: Way, servicer: Any) -> None:
    async with way(up=servicer) as client:
        wanted = b"a|b|" if servicer is read else b"ab"
        call = client.up()
        await call.wait_for_connection()
        for message in (b"a", b"b", b""):
            await call.write(message)
        await call.done_writing()
        await call.done_writing()  # idempotent
        assert await call == wanted
        assert await client.up(iter([b"a", b"b", b""])) == wanted

        async def later() -> AsyncIterator[bytes]:
            for message in (b"a", b"b", b""):
                yield message

        assert await client.up(later()) == wanted


async def test_both_stream(way: Way) -> None:
    async with way(both=mirror) as client:
        call = client.both()
        for message in (b"a", b"", b"c"):
            await call.write(message)
            assert await call.read() == message
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        assert [one async for one in client.both(iter([b"x", b"y"]))] == [b"x", b"y"]


async def test_a_unary_method_may_be_called_as_a_stream_and_a_streamed_one_with_one_message(way: Way) -> None:
    async with way(unary=repeat, up=join) as client:
        late: Any = client.channel.stream_unary("/strongroom.test.v1.Plain/Unary")()
        await late.write(b"z")
        await late.done_writing()
        assert await late == b"zz"
        whole: Any = client.channel.unary_unary("/strongroom.test.v1.Plain/Up")
        assert await whole(b"one") == b"one"


async def test_metadata_in_both_directions(way: Way) -> None:
    seen: list[Any] = []

    async def servicer(request: bytes, context: Any) -> bytes:
        seen.extend(context.invocation_metadata())
        await context.send_initial_metadata((("first", "1"), ("raw-bin", b"\0\1")))
        with pytest.raises(aio.UsageError):
            await context.send_initial_metadata((("first", "2"),))
        context.set_trailing_metadata((("last", "2"), ("raw-bin", b"\2")))
        return b""

    async with way(unary=servicer) as client:
        call = client.unary(b"", metadata=(("key", "value"), ("key", "again"), ("some-bin", b"\3")))
        assert await call == b""
        given = [(key, value) for key, value in seen if key != "user-agent"]
        assert given == [("key", "value"), ("key", "again"), ("some-bin", b"\3")]
        assert tuple(await call.initial_metadata()) == (("first", "1"), ("raw-bin", b"\0\1"))
        assert tuple(await call.trailing_metadata()) == (("last", "2"), ("raw-bin", b"\2"))


async def test_initial_metadata_comes_before_the_first_message(way: Way) -> None:
    async def servicer(requests: Any, context: Any) -> AsyncIterator[bytes]:
        await context.send_initial_metadata((("ready", "yes"),))
        async for request in requests:
            yield request

    async with way(both=servicer) as client:
        call = client.both()
        assert (await call.initial_metadata())["ready"] == "yes"
        await call.write(b"a")
        assert await call.read() == b"a"
        await call.done_writing()
        assert await call.read() is aio.EOF
        assert tuple(await call.trailing_metadata()) == ()


async def test_messages_as_large_as_allowed_and_larger(way: Way) -> None:
    async def answer(request: bytes, context: Any) -> bytes:
        return b"x" * int(request)

    async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"small"
        yield b"x" * int(request)

    most = 1 << 20
    async with way(unary=answer, down=stream, up=join) as client:
        assert len(await client.unary(b"%d" % most)) == most
        large = await failure(client.unary(b"%d" % (most + 1)))
        streamed = client.down(b"%d" % (most + 1))
        assert await streamed.read() == b"small"
        sent = await failure(streamed.read())
        given = await failure(client.unary(b"x" * (most + 1)))
        call = client.up()
        await call.write(b"x" * most)
        written_too_much = await failure(_write_and_wait(call, b"x" * (most + 1)))
        for error in (large, sent, given, written_too_much):
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert f"larger than max ({most + 1} vs. {most})" in (error.details() or "")


async def _write_and_wait(call: Any, message: bytes) -> None:
    await call.write(message)
    await call.done_writing()
    await call


async def test_more_metadata_than_allowed_is_refused(way: Way) -> None:
    async with way(unary=repeat) as client:
        assert await client.unary(b"a", metadata=(("k", "v" * 3000),)) == b"aa"
        error = await failure(client.unary(b"a", metadata=(("k", "v" * 5000),)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "metadata size exceeds" in (error.details() or "")


async def test_iterating_and_reading_are_not_mixed(way: Way) -> None:
    async with way(down=count_down, up=join) as client:
        call = client.down(b"3")
        assert await call.read() == b"3"
        with pytest.raises(aio.UsageError):
            call.__aiter__()
        sending = client.up(iter([b"a"]))
        with pytest.raises(aio.UsageError):
            await sending.write(b"b")
        assert await sending == b"a"
