"""Blocks from pieces, and from blocking sources."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.client import reading
from strongroom.client.reading import BLOCK_BYTES, cut, cut_async, cut_view, in_thread, with_last


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 16))
def test_blocks_are_full_but_the_last_and_lose_nothing(pieces: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", size)
        blocks = list(cut(pieces))
        assert list(cut_view(b"".join(pieces))) == (blocks or [b""])
    assert b"".join(blocks) == b"".join(pieces)
    assert all(len(block) == size for block in blocks[:-1])
    assert all(0 < len(block) <= size for block in blocks)


def test_a_block_of_the_right_size_is_passed_on_as_it_is() -> None:
    block = bytes(BLOCK_BYTES)
    assert next(cut([block])) is block


@pytest.mark.parametrize("piece", [bytearray(b"ab"), memoryview(b"ab"), memoryview(bytearray(b"ab"))])
def test_other_bytes_are_taken_too(piece: bytearray | memoryview) -> None:
    assert list(cut([piece])) == [b"ab"]


def test_text_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        list(cut(["text"]))
    with pytest.raises(TypeError, match="int, not bytes"):
        list(cut([3]))


async def pieces_of(*pieces: bytes) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece


async def test_asynchronous_pieces_are_cut_the_same() -> None:
    blocks = [block async for block in cut_async(pieces_of(b"a" * BLOCK_BYTES, b"", b"bc", b"d"))]
    assert blocks == [b"a" * BLOCK_BYTES, b"bcd"]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [((), [(b"", True)]), ((b"a",), [(b"a", True)]), ((b"a", b"b"), [(b"a", False), (b"b", True)])],
)
async def test_the_last_block_is_known_as_such(
    blocks: tuple[bytes, ...], expected: list[tuple[bytes, bool]]
) -> None:
    assert [pair async for pair in with_last(pieces_of(*blocks))] == expected


async def test_a_thread_reads_in_order_and_only_a_little_ahead() -> None:
    asked: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(20):
            asked.append(number)
            yield bytes([number])

    reader = in_thread(blocks)
    assert await anext(reader) == b"\0"
    await asyncio.sleep(0.05)
    assert len(asked) <= 2 + reading.BLOCKS_AHEAD
    rest = [block async for block in reader]
    assert b"".join(rest) == bytes(range(1, 20))


async def test_what_reading_raises_comes_out_as_it_is() -> None:
    failure = LookupError("mine")

    def blocks() -> Iterator[bytes]:
        yield b"a"
        raise failure

    reader = in_thread(blocks)
    assert await anext(reader) == b"a"
    with pytest.raises(LookupError) as caught:
        await anext(reader)
    assert caught.value is failure


async def test_leaving_closes_the_iterator_in_its_thread() -> None:
    closed = threading.Event()
    where: list[str] = []

    def blocks() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            where.append(threading.current_thread().name)
            closed.set()

    reader = in_thread(blocks)
    await anext(reader)
    await reader.aclose()
    assert await asyncio.to_thread(closed.wait, 10)
    assert where == ["strongroom-reader"]


def test_a_read_that_never_returns_does_not_keep_the_loop_from_ending() -> None:
    never = threading.Event()

    def blocks() -> Iterator[bytes]:
        never.wait()
        yield b""

    async def give_up() -> None:
        reader = in_thread(blocks)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reader), 0.05)
        await reader.aclose()

    asyncio.run(give_up())
    never.set()
