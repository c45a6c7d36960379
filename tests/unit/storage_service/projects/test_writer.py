"""FileWriter: batches, memory, failures."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from storage_service.attempts.budget import ByteBudget
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import Chunk, PutResult
from storage_service.projects import writer as module
from storage_service.projects.runner import OpenSave
from storage_service.projects.writer import FileWriter, NewFile
from storage_service.reading.committed import CommittedReader
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.scanner import Scanner
from strongroom.errors import BucketNotVersioned, QuotaExceeded
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.projects.fakes import FakeSaves, keys_of
from tests.unit.storage_service.reading.reports import Reports

SAVE = OpenSave("ada", "00000000-0000-0000-0000-000000000001", 0)
MIB = 1 << 20


class SlowStore(MemoryObjectStore):
    """Records how many puts are in progress and how many bytes they hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.under_way = self.most = self.most_bytes = self.bytes = 0

    async def put(self, key: str, chunks: Sequence[Chunk], *, size: int, **more: Any) -> PutResult:
        self.under_way += 1
        self.bytes += size
        self.most = max(self.most, self.under_way)
        self.most_bytes = max(self.most_bytes, self.bytes)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        self.bytes -= size
        return await super().put(key, chunks, size=size, **more)


def new_file(path: str, body: bytes) -> NewFile:
    crc32c = checksums.extend(0, body)
    return NewFile(
        path, "text/plain", len(body), hashlib.sha256(body).digest(), crc32c, (body,) if body else ()
    )


async def write(writer: FileWriter, files: dict[str, bytes]) -> None:
    async with writer:
        for path, body in files.items():
            await writer.room(len(body))
            await writer.add(new_file(path, body))


def make(store: MemoryObjectStore, saves: FakeSaves, budget: ByteBudget) -> FileWriter:
    objects, scanner = CommittedReader(store, Reports()), Scanner(None, ScanMetrics())
    return FileWriter(store, objects, saves, SAVE, budget, largest=10 * MIB, scanner=scanner)


async def test_files_are_reserved_and_told_in_batches() -> None:
    saves, store, budget = FakeSaves(), SlowStore(), ByteBudget(64 * MIB)
    writer = make(store, saves, budget)
    await write(writer, {f"{n:03}": b"%d" % n for n in range(450)})
    assert [len(batch) for batch in saves.reserved] == [200, 200, 50]
    assert len(saves.recorded) + len(writer.rest) == writer.count == 450
    assert len({entry.file.version_id for entry in [*saves.recorded, *writer.rest]}) == 450
    assert store.most <= module.PARALLEL
    assert budget.used == 0


async def test_unchanged_files_are_not_written() -> None:
    saves, store = FakeSaves({"a": hashlib.sha256(b"1").digest()}), MemoryObjectStore()
    writer = make(store, saves, ByteBudget(MIB))
    await write(writer, {"a": b"1", "b": b"2"})
    assert await keys_of(store) == ["projects/ada/site/b"]
    assert (writer.count, len(writer.rest)) == (2, 1)


async def test_what_is_written_is_of_the_saves_class() -> None:
    store, classes = SlowStore(), list[str]()
    put = store.put

    async def noting(key: str, chunks: Sequence[Chunk], **more: Any) -> PutResult:
        classes.append(more["attrs"].storage_class)
        return await put(key, chunks, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "put", noting)
        objects, scanner = CommittedReader(store, Reports()), Scanner(None, ScanMetrics())
        save = replace(SAVE, storage_class="STANDARD_IA")
        await write(
            FileWriter(store, objects, FakeSaves(), save, ByteBudget(MIB), largest=MIB, scanner=scanner),
            {"a": b"1", "b": b""},
        )
    assert classes == ["STANDARD_IA"] * 2


async def test_memory_is_bounded() -> None:
    store, budget = SlowStore(), ByteBudget(64 * MIB)
    files = {f"{n}": bytes(5 * MIB) for n in range(20)}
    await write(make(store, FakeSaves(), budget), files)
    assert store.most_bytes <= module.SAVE_MEMORY
    assert budget.used == 0


async def test_saves_share_what_little_memory_there_is() -> None:
    store, budget = SlowStore(), ByteBudget(12 * MIB)
    writers = [make(store, FakeSaves(), budget) for _ in range(3)]
    files = {f"{n}": bytes(3 * MIB) for n in range(6)}
    await asyncio.wait_for(asyncio.gather(*(write(one, files) for one in writers)), 60)
    assert budget.used == 0


@pytest.mark.parametrize("step", ["reserve", "record"])
async def test_a_step_that_fails_ends_it(step: str) -> None:
    saves, budget = FakeSaves(), ByteBudget(64 * MIB)
    saves.failing[step] = QuotaExceeded("full")
    with pytest.raises(QuotaExceeded):
        await write(make(SlowStore(), saves, budget), {f"{n:03}": b"x" for n in range(450)})
    assert budget.used == 0


async def test_a_put_that_fails_ends_it() -> None:
    class Failing(SlowStore):
        async def put(self, key: str, chunks: Sequence[Chunk], *, size: int, **more: Any) -> PutResult:
            if key.endswith("/7"):
                raise StoreUnavailable(operation="PutObject")
            return await super().put(key, chunks, size=size, **more)

    budget = ByteBudget(64 * MIB)
    with pytest.raises(StoreUnavailable):
        await write(make(Failing(), FakeSaves(), budget), {f"{n}": bytes(MIB) for n in range(40)})
    assert budget.used == 0


async def test_what_an_earlier_try_has_left_is_removed() -> None:
    class Repeating(SlowStore):
        async def put(self, key: str, chunks: Sequence[Chunk], *, size: int, **more: Any) -> PutResult:
            await super().put(key, chunks, size=size, **more)  # its answer is lost
            return replace(await super().put(key, chunks, size=size, **more), repeated=True)

    store = Repeating()
    writer = make(store, FakeSaves(), ByteBudget(MIB))
    await write(writer, {"a": b"1"})
    versions = [version.version_id async for page in store.list_versions("") for version in page]
    assert [entry.file.version_id for entry in writer.rest] == versions


async def test_cancelling_gives_everything_back() -> None:
    store, budget = SlowStore(), ByteBudget(64 * MIB)
    task = asyncio.create_task(
        write(make(store, FakeSaves(), budget), {f"{n}": bytes(MIB) for n in range(200)})
    )
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.used == 0


async def test_an_error_of_the_stream_is_the_error() -> None:
    budget = ByteBudget(64 * MIB)
    writer = make(SlowStore(), FakeSaves(), budget)

    async def stream() -> None:
        async with writer:
            await writer.room(1)
            await writer.add(new_file("a", b"1"))
            raise ValueError("the client is gone")

    with pytest.raises(ValueError, match="the client is gone"):
        await stream()
    assert budget.used == 0


async def test_an_object_without_version_id_is_refused() -> None:
    with pytest.raises(BucketNotVersioned):
        await write(make(MemoryObjectStore(versioned=False), FakeSaves(), ByteBudget(MIB)), {"a": b"1"})
