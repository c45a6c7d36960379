"""A project of 100 MiB in bounded memory: saved, listed, zipped, rolled back, deleted.

Memory is the peak of storage_service during each call, minus its use at rest. The bodies alone are 100 MiB,
so holding a whole project would show. The benchmark case ``project`` covers the maximum of 5,000 files, which
take the embedded Swift minutes to create.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from strongroom.storage.v1.project_pb2 import SaveProjectArchiveRequest, SaveProjectFile, SaveProjectRequest
from tests.integration.storage_service.projects.client import ProjectClient

T = TypeVar("T")
MIB = 1 << 20
FILES, SIZE = 100, MIB
#: Two batches in transit, the file being received, and buffers of S3's client and gRPC; far less than the
#: project.
MOST = 80 * MIB

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def body_of(number: int, version: int) -> bytes:
    """A body, half noise and half text; every tenth file differs between versions."""
    seed = number if number % 10 else number * 1000 + version
    return random.Random(seed).randbytes(SIZE // 2) + b"text " * (SIZE // 10)


def path_of(number: int) -> str:
    return f"src/{number % 50:02}/{number:04}.txt"


async def test_a_large_project(client: ProjectClient, tmp_path: Path) -> None:
    rest = client.services.memory()

    async def measured(name: str, work: Awaitable[T]) -> T:
        started = time.monotonic()
        result, peak = await _watched(client, work)
        with (tmp_path / "figures.txt").open("a") as figures:
            figures.write(f"{name}: {time.monotonic() - started:.1f} s, {(peak - rest) / MIB:.0f} MiB\n")
        assert peak - rest < MOST, f"{name}: {(peak - rest) / MIB:.0f} MiB above rest"
        return result

    first = await measured("save", client.send(_messages(client, 1)))
    assert (first.version.added, first.version.size_bytes) == (FILES, FILES * len(body_of(0, 1)))
    second = await measured("save a tenth", client.send(_messages(client, 2)))
    assert (second.version.changed, second.version.added) == (FILES // 10, 0)
    listed = await measured("list", client.files())
    assert listed[path_of(10)].sha256 == hashlib.sha256(body_of(10, 2)).digest()
    archive = await measured("zip", client.archive())
    with zipfile.ZipFile(io.BytesIO(archive)) as made:
        assert len(made.namelist()) == FILES
        assert made.read(path_of(11)) == body_of(11, 2)
    rolled = await measured("roll back", client.roll_back(1))
    assert (rolled.changed, rolled.rolled_back_to) == (FILES // 10, 1)
    assert await client.read(path_of(10)) == body_of(10, 1)
    unzipped = await measured("save the zip", _save_zip(client, archive))
    assert unzipped == FILES // 10
    await measured("delete", client.delete())
    await measured("after", asyncio.sleep(2))


async def _watched(client: ProjectClient, work: Awaitable[T]) -> tuple[T, int]:
    """The result, and the peak memory of storage_service meanwhile."""
    peak = client.services.memory()

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, client.services.memory())
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        return await work, peak
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _messages(client: ProjectClient, version: int) -> Iterator[SaveProjectRequest]:
    yield client.spec()
    for number in range(FILES):
        body = body_of(number, version)
        yield SaveProjectRequest(file=SaveProjectFile(path=path_of(number), size_bytes=len(body)))
        yield SaveProjectRequest(data=body)
    yield SaveProjectRequest(finish_write=True)


async def _save_zip(client: ProjectClient, archive: bytes) -> int:
    async def stream() -> AsyncIterator[SaveProjectArchiveRequest]:
        yield SaveProjectArchiveRequest(spec=client.spec().spec)
        for start in range(0, len(archive), MIB):
            yield SaveProjectArchiveRequest(data=archive[start : start + MIB])
        yield SaveProjectArchiveRequest(finish_write=True)

    reply = await client.call(client.storage.SaveProjectArchive, stream(), timeout=1200)
    return int(reply.version.changed)
