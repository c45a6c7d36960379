"""The arithmetic of offsets, parts and segments, for any behaviour of clients and stores."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import IdempotencyKeyReused, StrongroomError
from tests.unit.storage_service.sessions.bench import Bench

BODY = random.Random(7).randbytes(4096)


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(0, 600),
    part=st.integers(1, 97),
    writes=st.lists(
        st.tuples(
            st.integers(-40, 3), st.integers(0, 200), st.integers(1, 64), st.sampled_from(["", "part", "put"])
        ),
        max_size=12,
    ),
    known=st.booleans(),
    restarts=st.booleans(),
)
def test_every_history_ends_in_the_same_bytes(
    size: int,
    part: int,
    writes: list[tuple[int, int, int, str]],
    known: bool,
    restarts: bool,
) -> None:
    """Writes begin early or late, have any length and are cut anywhere, and the store fails in between."""
    asyncio.run(_history(BODY[:size], part, writes, known=known, restarts=restarts))


async def _history(
    body: bytes, part: int, writes: list[tuple[int, int, int, str]], *, known: bool, restarts: bool
) -> None:
    bench = Bench(part_size=part)
    upload = await bench.create(len(body) if known else None)
    for shift, length, chunk, failing in writes:
        at = (await bench.state.get(upload)).persisted_size
        begin = max(at + shift, 0)
        if failing:
            bench.store.failing[failing] = 1
        with contextlib.suppress(StrongroomError):
            await bench.write(upload, begin, body[begin : begin + length], chunk=chunk)
        bench.store.failing.clear()
        now = (await bench.state.get(upload)).persisted_size
        assert now >= at, "the offset went back"
        if restarts:
            bench.restart()
    at = (await bench.state.get(upload)).persisted_size
    if not (await bench.state.get(upload)).finished:
        await bench.write(upload, at, body[at:], finish=True)
    found = await bench.use_cases.sessions.get(upload)
    assert found.finished
    assert await bench.object_of(found.file) == body
    assert bench.state.history == sorted(bench.state.history)
    assert bench.budget.used == 0


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 500), part=st.integers(1, 97), cuts=st.lists(st.integers(0, 500), max_size=6))
def test_pieces_joined_are_the_whole(size: int, part: int, cuts: list[int]) -> None:
    """The result is the same for copied and for streamed pieces."""

    async def join() -> None:
        bench, body = Bench(part_size=part), BODY[:size]
        at = sorted({0, size, *(cut for cut in cuts if cut < size)})
        pieces = []
        for begin, end in [*itertools.pairwise(at)] or [(0, 0)]:
            upload = await bench.create(end - begin, partial=True)
            await bench.write(upload, 0, body[begin:end])
            pieces.append(upload)
        made = await bench.join(pieces)
        assert await bench.object_of(made.file) == body

    asyncio.run(join())


@given(there=st.integers(1, 80), sent=st.integers(0, 120), other=st.integers(0, 79), chunk=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_another_body_from_the_beginning_is_not_mixed_with_the_first(
    there: int, sent: int, other: int, chunk: int
) -> None:
    """Its bytes are compared with the stored ones, and it continues only if they are equal."""
    asyncio.run(_sent_again(there, sent, other % there, chunk))


async def _sent_again(there: int, sent: int, other: int, chunk: int) -> None:
    bench = Bench(part_size=32)
    upload = await bench.create(120)
    await bench.write(upload, 0, BODY[:there])
    second = bytearray(BODY[:sent])
    second[other : other + 1] = bytes([BODY[other] ^ 1]) if other < sent else b""
    mixes = sent >= there
    with pytest.raises(IdempotencyKeyReused) if mixes else contextlib.nullcontext():
        await bench.write(upload, 0, bytes(second), chunk=chunk)
    assert (await bench.state.get(upload)).persisted_size == there
    whole = await bench.write(upload, 0, BODY[:120], chunk=chunk)
    assert await bench.object_of(whole.file) == BODY[:120]
