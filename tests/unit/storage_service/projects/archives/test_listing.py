"""Lists for a ZIP: requested once, checked completely before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from storage_service.projects.archives import listing
from storage_service.projects.archives.listing import HELD_BYTES, readable_files
from storage_service.reading.archive_looks import ArchiveLooks
from storage_service.reading.archived import ArchivedObjects
from strongroom.errors import ContentInfected, ObjectLost, StrongroomError
from strongroom.metadata.v1.file_pb2 import DATA_LOSS_CORRUPT, File
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED, Scan
from tests.doubles.memory_store import MemoryObjectStore


class Listed:
    """Pages of two files; counts requests."""

    def __init__(self, *files: File) -> None:
        self.files = files
        self.asked = 0

    async def pages(self) -> AsyncIterator[Sequence[File]]:
        self.asked += 1
        for at in range(0, len(self.files), 2):
            yield self.files[at : at + 2]


LOOKS = ArchiveLooks(MemoryObjectStore(), ArchivedObjects(MemoryObjectStore()))


def files(count: int, **more: object) -> list[File]:
    return [File(key=f"a/{number}", **more) for number in range(count)]  # type: ignore[arg-type]


async def names(listed: Listed) -> list[str]:
    return [file.key async for file in readable_files(listed.pages, lambda file: file.key, LOOKS.suspects())]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
async def test_it_is_asked_for_once(count: int) -> None:
    listed = Listed(*files(count))
    assert await names(listed) == [f"a/{number}" for number in range(count)]
    assert listed.asked == 1


@pytest.mark.parametrize("longer", [True, False])
async def test_a_list_that_is_too_long_to_keep(monkeypatch: pytest.MonkeyPatch, longer: bool) -> None:
    made = files(6, filename="x" * 50)
    size = sum(file.ByteSize() for file in made)
    monkeypatch.setattr(listing, "HELD_BYTES", size - longer)
    listed = Listed(*made)
    assert await names(listed) == [f"a/{number}" for number in range(6)]
    assert listed.asked == 1 + longer
    assert 5000 * size / 6 < HELD_BYTES


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (File(key="a/bad", scan=Scan(outcome=SCAN_OUTCOME_INFECTED, signature="Eicar")), ContentInfected),
        (File(key="a/bad", data_loss=DATA_LOSS_CORRUPT), ObjectLost),
    ],
)
async def test_what_is_unreadable_is_told_before_the_first(last: File, error: type[StrongroomError]) -> None:
    listed = Listed(*files(5), last)
    with pytest.raises(error, match="a/bad"):
        await anext(aiter(readable_files(listed.pages, lambda file: file.key, LOOKS.suspects())))
