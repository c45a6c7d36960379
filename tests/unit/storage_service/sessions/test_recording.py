"""How often progress is recorded: together on fast connections, part by part on slow ones, never late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage_service.sessions import writer
from strongroom.errors import StrongroomError
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from tests.unit.storage_service.sessions.bench import Bench

PART = 64
BODY = bytes(range(256)) * 16


async def write_until(bench: Bench, upload: str, size: int, gate: asyncio.Event) -> UploadResponse:
    """Send ``size`` bytes, nothing until the gate opens, then the rest."""

    async def messages() -> AsyncIterator[UploadRequest]:
        yield UploadRequest(write_offset=0, data=BODY[:size])
        await gate.wait()
        yield UploadRequest(write_offset=size, data=BODY[size:])

    return await bench.use_cases.sessions.upload(UploadRequest(upload_id=upload), messages())


async def persisted(bench: Bench, upload: str, size: int) -> None:
    async with asyncio.timeout(60):
        while (await bench.use_cases.sessions.get(upload)).persisted_size < size:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_parts_that_come_fast_are_recorded_together() -> None:
    bench = Bench(part_size=PART)
    upload = await bench.create(len(BODY))
    file = (await bench.write(upload, 0, BODY)).file
    assert len(BODY) // PART == 64
    assert len(bench.state.history) <= 8
    assert await bench.object_of(file) == BODY


async def test_parts_that_come_slowly_are_recorded_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RECORD_SECONDS", 0.0)
    bench = Bench(part_size=PART)
    upload = await bench.create(len(BODY))
    await bench.write(upload, 0, BODY)
    assert len(set(bench.state.history)) > 16


async def test_a_client_that_pauses_does_not_keep_its_parts_from_being_recorded() -> None:
    bench, gate = Bench(part_size=PART), asyncio.Event()
    upload = await bench.create(len(BODY))
    writing = asyncio.create_task(write_until(bench, upload, 10 * PART + 5, gate))
    await persisted(bench, upload, 10 * PART)
    gate.set()
    assert (await writing).file.size_bytes == len(BODY)


async def test_the_end_of_a_write_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RECORD_SECONDS", 3600.0)
    bench = Bench(part_size=PART)
    async with asyncio.timeout(60):
        upload = await bench.create(len(BODY))
        assert (await bench.write(upload, 0, BODY[: 9 * PART + 5])).persisted_size == 9 * PART + 5
        assert (await bench.write(upload, 9 * PART + 5, BODY[9 * PART + 5 :])).file.size_bytes == len(BODY)
        assert bench.budget.used == 0


async def test_memory_is_free_before_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts may be in memory; parts that only wait to be recorded are not."""
    monkeypatch.setattr(writer, "RECORD_SECONDS", 3600.0)
    bench, gate = Bench(part_size=PART), asyncio.Event()
    upload = await bench.create(len(BODY))
    writing = asyncio.create_task(write_until(bench, upload, 20 * PART, gate))
    async with asyncio.timeout(60):
        while bench.store.calls["part"] < 20 or bench.budget.used:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await bench.state.get(upload)).persisted_size < 20 * PART
    gate.set()
    assert (await writing).file.size_bytes == len(BODY)


async def test_what_was_accepted_before_a_failure_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RECORD_SECONDS", 3600.0)
    bench = Bench(part_size=PART)
    upload = await bench.create(len(BODY))
    real, number = bench.store.upload_part, 0

    async def failing(*args: object, **more: object) -> object:
        nonlocal number
        number += 1
        if number == 6:
            bench.store.failing["part"] = 1
        return await real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "upload_part", failing)
    with pytest.raises(StrongroomError):
        await bench.write(upload, 0, BODY)
    assert (await bench.state.get(upload)).persisted_size >= 4 * PART
    found = (await bench.state.get(upload)).persisted_size
    file = (await bench.write(upload, found, BODY[found:])).file
    assert await bench.object_of(file) == BODY
