"""Limits how much is claimed at a time, and so how long new files wait; and when idle processes are
stopped.
"""

from __future__ import annotations

from typing import cast

import pytest

from servicekit.background import Heartbeat
from storage_service.media.loop import REST_SECONDS, MediaLoop
from storage_service.media.reader import MediaReader
from storage_service.metadata.contents import MediaRecords
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.media_info_service_pb2 import ClaimUnreadResponse


class Films:
    """Replaces records and reader: another owner's picture is stored while the first film is being read."""

    def __init__(self) -> None:
        self.unread = [File(id=f"film {number}") for number in range(100)]
        self.read_ids: list[str] = []
        self.stopped = 0

    async def claim(self, limit: int) -> ClaimUnreadResponse:
        """Return the oldest files, or the picture first if there is one, as if it were its owner's turn."""
        claimed = sorted(self.unread, key=lambda file: file.id != "picture")[:limit]
        self.unread = [file for file in self.unread if file not in claimed]
        return ClaimUnreadResponse(files=claimed)

    async def read(self, file: File) -> None:
        """Record the read without a result."""
        if not self.read_ids:
            self.unread.append(File(id="picture"))
        self.read_ids.append(file.id)

    async def idle(self) -> None:
        """Record that the processes are stopped."""
        self.stopped += 1


@pytest.mark.parametrize("processes", [1, 4])
async def test_a_picture_waits_for_two_films_of_each_process(processes: int) -> None:
    films = Films()
    reader, records = cast("MediaReader", films), cast("MediaRecords", films)
    loop = MediaLoop(reader, records, Heartbeat("media", 1), processes=processes)
    assert await loop.run_once()
    assert await loop.run_once()
    assert films.read_ids.index("picture") == 2 * processes


async def test_processes_are_kept_for_what_is_stored_next() -> None:
    now, films = 100.0, Films()
    films.unread = [File(id="picture")]
    reader, records = cast("MediaReader", films), cast("MediaRecords", films)
    loop = MediaLoop(reader, records, Heartbeat("media", 1), processes=1, clock=lambda: now)
    films.read_ids = ["film"]
    stopped = []
    for now in (100.0, 100.1, 100.0 + REST_SECONDS):  # noqa: B007 - used by the clock
        await loop.run_once()
        stopped.append(films.stopped)
    assert films.read_ids == ["film", "picture"]
    assert stopped == [0, 0, 1]
