"""Readers of archives share memory and a core, and no reader takes all of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from storage_service.attempts.budget import ByteBudget
from storage_service.projects.archive_saver import ArchiveSaver
from storage_service.projects.archives import zip_in
from storage_service.projects.archives.spool import Spool
from storage_service.projects.archives.zip_directory import CentralEntry, DirectoryPlace
from storage_service.projects.archives.zip_in import SEGMENT_BYTES, DirectoryThread
from storage_service.projects.runner import SaveRunner
from storage_service.projects.saver import ContentsSaver
from strongroom.storage.v1.project_pb2 import SaveProjectArchiveRequest, SaveProjectSpec

ONE = SEGMENT_BYTES + 1


class Running:
    """Saves that last until the test ends them. ``began``: their owners."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.may_end = asyncio.Event()
        self.failures = SimpleNamespace(telling=_telling)

    async def check(self) -> None: ...

    async def run(self, request: Any, *_: Any) -> None:
        self.began.append(request.user_id)
        await self.may_end.wait()


@asynccontextmanager
async def _telling(*_: Any) -> AsyncIterator[None]:
    yield


class NoSpool:
    @asynccontextmanager
    async def keep(self, *_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(size=1)


async def _request(owner: str) -> AsyncIterator[SaveProjectArchiveRequest]:
    yield SaveProjectArchiveRequest(spec=SaveProjectSpec(slug="site", user_id=owner))


@pytest.mark.parametrize(("readers", "each"), [(9, 2), (16, 4), (3, 1)])
async def test_an_owner_has_a_quarter_of_the_memory_for_reading(readers: int, each: int) -> None:
    running, memory = Running(), ByteBudget(readers * ONE)
    contents = SimpleNamespace(limits=SimpleNamespace(max_file_bytes=1))
    saver = ArchiveSaver(
        cast("ContentsSaver", contents), cast("SaveRunner", running), cast("Spool", NoSpool()), memory
    )
    tasks = [asyncio.create_task(saver.save(_request("mallory"))) for _ in range(32)]
    tasks += [asyncio.create_task(saver.save(_request("alice")))]
    async with asyncio.timeout(60):
        while "alice" not in running.began:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert running.began.count("mallory") == each
    assert memory.used == (each + 1) * ONE
    tasks[0].cancel()
    running.may_end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (len(running.began), memory.used) == (33, 0)


async def test_directories_are_checked_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def checked(raw: bytes, place: DirectoryPlace) -> list[CentralEntry]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        return []

    monkeypatch.setattr(zip_in, "_checked", checked)
    directories = DirectoryThread()
    tasks = [asyncio.create_task(directories.checked(b"", DirectoryPlace(0, 0, 0))) for _ in range(6)]
    await asyncio.sleep(0.005)
    tasks[0].cancel()  # its thread continues
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (most, at_once) == (1, 0)
