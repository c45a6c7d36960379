"""The disk space of exports' manifests."""

from __future__ import annotations

import json

import pytest

from storage_service.projects.archives.manifest import Manifest, ManifestRoom
from strongroom.errors import Overloaded, SizeLimitExceeded

TOTAL = 100_000
RECORD = {"settings_json": "x" * 10_000}


def told(manifest: Manifest, part: str, times: int) -> None:
    for _ in range(times):
        getattr(manifest, part)(RECORD)


@pytest.mark.parametrize("part", ["add", "lost"])
def test_all_of_a_process_have_a_room_together(part: str) -> None:
    room = ManifestRoom(TOTAL)
    first, second = Manifest({}, room), Manifest({}, room)
    for manifest in (first, second):
        manifest.begin("files")
    told(first, part, 3)
    with pytest.raises(Overloaded) as refused:
        told(second, part, 7)
    assert refused.value.retry_after == 60.0
    assert room.used <= TOTAL
    second.close()
    second.close()
    told(first, part, 1)
    with pytest.raises(SizeLimitExceeded, match="raise that limit"):
        told(first, part, 7)
    first.close()
    assert room.used == 0


async def test_what_fits_is_whole_and_counted() -> None:
    room = ManifestRoom(TOTAL)
    manifest = Manifest({"owner_id": "ada"}, room)
    manifest.begin("files")
    manifest.add(RECORD)
    manifest.end()
    manifest.lost({"name": "\ud800"})
    manifest.seal()
    body = b"".join([piece async for piece in manifest.body()])
    assert json.loads(body.decode("utf-8", "surrogatepass"))["files"] == [RECORD]
    assert len(body) == manifest.size <= room.used
    manifest.close()
    assert room.used == 0
