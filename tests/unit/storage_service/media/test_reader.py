"""Files are read in their owners' turns."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from storage_service.media.frames import DIED, DONE
from storage_service.media.metrics import MediaMetrics
from storage_service.media.process import Fetch, ReadingLimits, ReadingProcess, Told
from storage_service.media.reader import MediaReader
from storage_service.metadata.contents import MediaRecords
from storage_service.objectstore.interface import ObjectStore
from strongroom.metadata.v1.file_pb2 import File


class Process:
    """Records the sizes of the files that it reads."""

    def __init__(self, ended: int = DONE) -> None:
        self.sizes: list[int] = []
        self.ended = ended

    async def read(self, _content_type: str, size: int, _fetch: Fetch) -> Told:
        self.sizes.append(size)
        await asyncio.sleep(0)
        return Told({}, self.ended)


class Records:
    async def report(self, *_: Any) -> None:
        pass


def reader_of(process: Process) -> MediaReader:
    return MediaReader(
        cast("ObjectStore", None),
        cast("MediaRecords", Records()),
        MediaMetrics(),
        processes=1,
        limits=ReadingLimits(1, 1),
        make=lambda _: cast("ReadingProcess", process),
    )


def picture(owner: str, size: int) -> File:
    return File(owner_id=owner, content_type="image/png", size_bytes=size)


async def test_many_files_of_one_owner_do_not_stand_before_anothers() -> None:
    process = Process()
    reader = reader_of(process)
    many = [asyncio.create_task(reader.read(picture("mallory", 1000 + n))) for n in range(20)]
    one = asyncio.create_task(reader.read(picture("alice", 1)))
    await asyncio.gather(one, *many)
    assert process.sizes.index(1) <= 2
    assert len(process.sizes) == 21


async def test_between_two_tries_it_is_somebody_elses_turn() -> None:
    process = Process(DIED)
    reader = reader_of(process)
    await asyncio.gather(reader.read(picture("mallory", 1000)), reader.read(picture("alice", 1)))
    assert process.sizes == [1000, 1, 1000, 1]
