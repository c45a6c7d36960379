"""Events for a save's owner while files are stored."""

from __future__ import annotations

from typing import Any

from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_PROJECT_SAVE_PROGRESS
from tests.integration.metadata_service.projects.saving import Projects, entries

MANY = {f"src/{number}.js": b"%d" % number for number in range(100)}
SIZE = sum(map(len, MANY.values()))


def told(projects: Projects) -> list[dict[str, Any]]:
    rows = projects.world.logins.rows(
        "SELECT payload FROM events WHERE owner_id = %s AND type = %s ORDER BY xid, id",
        projects.owner,
        EVENT_TYPE_PROJECT_SAVE_PROGRESS,
    )
    return [row[0] for row in rows]


def later(projects: Projects, seconds: float) -> None:
    projects.world.logins.change(
        "UPDATE project_saves SET told_at = told_at - %s * interval '1 s',"
        " created_at = created_at - %s * interval '1 s' WHERE owner_id = %s",
        seconds,
        seconds,
        projects.owner,
    )


async def record(projects: Projects, save_id: str, written: list[pb.ManifestEntry]) -> None:
    await projects.writing.record(
        pb.RecordFilesRequest(save_id=save_id, owner_id=projects.owner, entries=written)
    )


async def test_it_is_told_from_the_beginning_and_every_second(projects: Projects) -> None:
    begun = await projects.begin()
    written = entries(await projects.reserve(begun.save_id, MANY), MANY)
    first = {
        "slug": "site",
        "save_id": begun.save_id,
        "file_count": 100,
        "size_bytes": SIZE,
        "stored_count": 0,
        "stored_bytes": 0,
    }
    assert told(projects) == [first]
    await record(projects, begun.save_id, written[:10])
    assert told(projects) == [first], "less than a second ago"
    later(projects, 1.0)
    await record(projects, begun.save_id, written[10:40])
    assert told(projects)[1:] == [first | {"stored_count": 40, "stored_bytes": 70}]
    later(projects, 1.0)
    await projects.reserve(begun.save_id, {"more.txt": b"more"})
    assert told(projects)[2]["file_count"] == 101


async def test_a_quick_save_tells_of_its_end_only(projects: Projects) -> None:
    await projects.save({"index.html": b"<html>", "app.js": b"app"})
    assert told(projects) == []


async def test_a_few_files_that_take_their_time_are_told(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"index.html": b"<html>"})
    later(projects, 0.5)
    await projects.reserve(begun.save_id, {"app.js": b"app"})
    assert [event["file_count"] for event in told(projects)] == [2]


async def test_large_files_are_told_at_once(projects: Projects) -> None:
    begun = await projects.begin()
    await projects.reserve(begun.save_id, {"film.mp4": bytes(8 << 20)})
    assert [event["size_bytes"] for event in told(projects)] == [8 << 20]


async def test_nothing_is_told_of_what_is_unchanged(projects: Projects) -> None:
    await projects.save(MANY)
    before = told(projects)
    await projects.save(MANY)
    assert told(projects) == before
