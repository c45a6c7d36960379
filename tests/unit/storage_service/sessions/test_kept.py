"""The cache of a process between two writes of a session saves calls and changes no answer."""

from __future__ import annotations

import asyncio

import pytest

from servicekit import context
from servicekit.auth.principal import Principal
from storage_service.sessions import kept as module
from strongroom.errors import OffsetOutOfRange, StrongroomError, UploadNotFound
from tests.unit.storage_service.sessions.bench import Bench

PART = 1000


async def begun(bench: Bench, size: int = 4000) -> str:
    upload = await bench.create(size)
    await bench.write(upload, 0, b"a" * 300)
    return upload


async def test_the_next_piece_asks_nothing_and_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(part_size=PART)
    upload = await begun(bench)

    def unread(*_: object, **__: object) -> None:
        raise AssertionError("a segment was read back")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "open", unread)
        for offset in range(300, 3900, 300):
            await bench.write(upload, offset, b"b" * 300)
    assert (bench.state.acquired, bench.state.sessions[upload].blob.epoch) == (1, 2)
    answered = await bench.write(upload, 3900, b"c" * 100)
    assert await bench.object_of(answered.file) == b"a" * 300 + b"b" * 3600 + b"c" * 100
    assert bench.budget.used == 0


async def test_each_piece_is_recorded_before_it_is_answered() -> None:
    bench = Bench(part_size=PART)
    upload = await begun(bench)
    for offset in range(300, 3900, 300):
        answered = await bench.write(upload, offset, b"b" * 300)
        assert answered.persisted_size == bench.state.sessions[upload].persisted_size == offset + 300
        bench.restart()  # a crash: no acknowledged byte is lost
        assert (await bench.use_cases.sessions.get(upload)).persisted_size == offset + 300


@pytest.mark.parametrize("what", ["ask", "declare", "other offset", "failed write"])
async def test_whatever_else_is_asked_forgets_it(what: str) -> None:
    bench = Bench(part_size=PART)
    upload = await begun(bench)
    before = bench.state.acquired
    if what == "ask":
        await bench.use_cases.sessions.get(upload, preempt=True)
    elif what == "declare":
        await bench.use_cases.sessions.declare(upload, 4000)
    elif what == "other offset":
        with pytest.raises(OffsetOutOfRange):
            await bench.write(upload, 299, b"b", exact_offset=True)
    else:
        bench.store.failing["put"] = 1
        with pytest.raises(StrongroomError):
            await bench.write(upload, 300, b"b")
    await bench.write(upload, 300, b"b" * 10)
    assert bench.state.acquired == before + (2 if what in {"ask", "other offset"} else 1)
    assert bench.state.sessions[upload].persisted_size == 310


async def test_it_is_the_caller_s_own() -> None:
    bench = Bench(part_size=PART)
    with context.bind(context.for_caller(Principal("ada"))):
        upload = await begun(bench)
    with context.bind(context.for_caller(Principal("eve"))):
        await bench.write(upload, 300, b"b")  # this state has no owners; the real one refuses to acquire
    assert bench.state.acquired == 2


async def test_a_cancelled_upload_is_not_gone_on_with() -> None:
    bench = Bench(part_size=PART)
    upload = await begun(bench)
    await bench.use_cases.sessions.cancel(upload)
    with pytest.raises(UploadNotFound):
        await bench.write(upload, 300, b"b")
    assert bench.budget.used == 0


async def test_bytes_give_way_to_whoever_needs_the_memory() -> None:
    bench = Bench(part_size=PART, budget=4 * PART)
    upload = await begun(bench)
    assert bench.budget.used == 300
    async with bench.budget.reserve(4 * PART):
        assert bench.budget.used == 4 * PART
    await bench.write(upload, 300, b"b" * 700)
    await bench.write(upload, 1000, b"c" * 2999)
    answered = await bench.write(upload, 3999, b"d")
    assert await bench.object_of(answered.file) == b"a" * 300 + b"b" * 700 + b"c" * 2999 + b"d"


async def test_no_more_than_their_share() -> None:
    bench = Bench(part_size=PART, budget=4 * PART)
    for _ in range(5):
        await begun(bench)
    assert bench.budget.used == 900


async def test_it_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.0)
    bench = Bench(part_size=PART)
    upload = await begun(bench)
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.budget.used == 0
    await bench.write(upload, 300, b"b")
    assert bench.state.acquired == 2


async def test_so_many_sessions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    bench = Bench(part_size=PART)
    uploads = [await begun(bench) for _ in range(3)]
    await bench.write(uploads[2], 300, b"b")
    assert bench.state.acquired == 3
    await bench.write(uploads[0], 300, b"b")
    assert bench.state.acquired == 4


async def test_an_empty_write_tells_what_is_true() -> None:
    bench = Bench(part_size=PART)
    upload = await begun(bench)
    recorded = len(bench.state.history)
    assert (await bench.write(upload, 300, b"")).persisted_size == 300
    assert len(bench.state.history) == recorded + 1
