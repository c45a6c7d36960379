"""Content codings: choice, output, and accepted input."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
from backports import zstd

from gateway.http.coding import MAX_RATIO, PIECE_BYTES, decoded, encoder, negotiate
from strongroom.errors import MalformedRequest, SizeLimitExceeded


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP;Q=0.5", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.000, zstd;q=0", ""),
        ("*", "zstd"),
        ("*;q=0", ""),
        ("zstd;q=0, *", "gzip"),
        ("*;q=0, gzip", "gzip"),
        ("identity", ""),
        ("identity, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip", "gzip"),
        ("deflate, br", ""),
        ("gzip;q=2", ""),
        ("gzip;q=x, zstd", "zstd"),
        ("gzip;level=9", ""),
        (" gzip ; q=0.3 ,, ", "gzip"),
        ("gzipp, \x00gzip", ""),
        ("a" * 2000 + ",gzip", ""),
    ],
)
def test_what_is_chosen(accepted: str, coding: str) -> None:
    assert negotiate(accepted) == coding


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_comes_out(coding: str) -> None:
    text = os.urandom(100) * 1000
    stream = encoder(coding)
    coded = stream.compress(text[:50_000]) + stream.compress(text[50_000:]) + stream.flush()
    assert len(coded) < len(text) / 10
    assert (gzip.decompress(coded) if coding == "gzip" else zstd.decompress(coded)) == text


async def pieces(raw: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(raw), step):
        yield raw[at : at + step]


async def read(raw: bytes, step: int = 1000) -> bytes:
    return b"".join([piece async for piece in decoded(pieces(raw, step))])


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    "text",
    [b"", b"{}", os.urandom(5000), b"a" * 900_000, b"x" * PIECE_BYTES, b"ab" * PIECE_BYTES],
    ids=["empty", "short", "random", "long", "one piece", "two pieces"],
)
async def test_what_is_taken_in(text: bytes, step: int) -> None:
    assert await read(gzip.compress(text), step) == text


async def test_several_members_are_one_body() -> None:
    assert await read(gzip.compress(b'{"a":') + gzip.compress(b"") + gzip.compress(b"1}"), 3) == b'{"a":1}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}")[:12],
        gzip.compress(b"{}") + b"{}",
        gzip.compress(b"{}") + gzip.compress(b"")[:8],
        gzip.compress(b"{}")[:-8] + b"\0" * 8,
        zlib.compress(b"{}"),
        zstd.compress(b"{}"),
    ],
    ids=["nothing", "plain", "cut", "cut early", "text after", "cut member", "checksum", "zlib", "zstd"],
)
async def test_what_is_no_gzip(raw: bytes) -> None:
    with pytest.raises(MalformedRequest, match="gzip"):
        await read(raw)


@pytest.mark.parametrize("length", [None, 100])
async def test_empty_members_do_not_go_on_for_ever(length: int | None) -> None:
    endless = gzip.compress(b"") * 5000
    with pytest.raises(MalformedRequest, match="64 gzip members"):
        await read(endless, length or len(endless))


async def test_a_stream_of_framing_is_refused() -> None:
    """Empty stored blocks: five bytes each, without content."""
    empty_block = b"\x00\x00\x00\xff\xff"
    raw = gzip.compress(b"")[:10] + empty_block * 500_000
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for piece in pieces(raw, 10_000):
            taken += len(piece)
            yield piece

    with pytest.raises(MalformedRequest, match="framing"):
        await anext(aiter(decoded(counted())))
    assert taken < (1 << 20) + 20_000


@pytest.mark.parametrize("members", [1, 64])
async def test_a_bomb_is_refused_before_it_costs_memory(members: int) -> None:
    bomb = gzip.compress(bytes((256 << 20) // members), 9) * members
    taken = 0

    async def take() -> None:
        nonlocal taken
        async for piece in decoded(pieces(bomb, len(bomb))):
            assert len(piece) <= PIECE_BYTES
            taken += len(piece)

    tracemalloc.start()
    try:
        with pytest.raises(SizeLimitExceeded, match=str(MAX_RATIO)):
            await take()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= max(1 << 20, MAX_RATIO * len(bomb)) + PIECE_BYTES
    assert peak < 4 << 20
