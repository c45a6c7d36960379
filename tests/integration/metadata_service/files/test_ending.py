"""Expired files: one that can't be removed delays no other, and one owner's hundreds delay no other
owner's.
"""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from metadata_service.files import ending
from metadata_service.files.ending import EndedFiles
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.poison import poison
from tests.integration.metadata_service.world import World

#: Creates this many files of an owner, each with its own object.
MANY = """
WITH made AS (
    INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
        reserved_bytes, reserved_files, size_bytes, crc32c)
    SELECT %s, gen_random_uuid(), 3, 1, 1, gen_random_uuid(), false, '', '', '{}', 0, 0, 1, 1
    FROM generate_series(1, %s)
    RETURNING owner_id, id, key
)
INSERT INTO files (owner_id, id, family, key, blob_id, filename, content_type, size_bytes, etag, generation,
    crc32c, metadata, visibility, expires_at, deleted_at, purge_at)
SELECT owner_id, gen_random_uuid(), 5, key, id, 'a', '', 1, '', 1, 1, '{}', 1, moment, deleted, deleted
FROM made, (SELECT CASE WHEN %s THEN now() - interval '1 h' END) AS a (moment),
    (SELECT CASE WHEN NOT %s THEN now() - interval '1 h' END) AS b (deleted)
"""


async def temporary(world: World, owner: str) -> File:
    spec = UploadSpec(filename="t.bin")
    spec.target.temp.SetInParent()
    return await world.upload(owner, spec)


def left(world: World) -> set[str]:
    return {row[0] for row in world.logins.rows("SELECT id::text FROM files")}


async def test_a_file_that_cannot_go_keeps_no_other(own_world: World, owner: str) -> None:
    poisoned = await temporary(own_world, owner)
    for _ in range(2):
        await temporary(own_world, owner)
    for other in ("a", "~"):
        await temporary(own_world, other)
    own_world.logins.change("UPDATE files SET expires_at = now()")
    poison(own_world, "files", f"OLD.id = '{poisoned.id}'")
    ended = EndedFiles(own_world.timing)
    with capture_logs() as lines:
        assert await ended.run(own_world.database) == 4
        assert await ended.run(own_world.database) == 0
    assert left(own_world) == {poisoned.id}
    assert [line["event"] for line in lines] == ["file_not_ended"]
    assert (await own_world.usage.usage("a")).file_count == 0
    own_world.logins.change("DROP TRIGGER poisoned ON files")
    assert await ended.run(own_world.database) == 1


@pytest.mark.parametrize("are_temporary", [True, False])
async def test_nobody_waits_behind_an_owner_of_hundreds(
    own_world: World, owner: str, monkeypatch: pytest.MonkeyPatch, are_temporary: bool
) -> None:
    """In the end all files of that owner are deleted, too."""
    monkeypatch.setattr(ending, "BATCH", 8)
    own_world.logins.change(MANY, owner, 60, are_temporary, are_temporary)
    for other in (f"{owner}-before", "a", "~"):
        own_world.logins.change(MANY, other, 1, are_temporary, are_temporary)
        ended = EndedFiles(own_world.timing)
        for _ in range(2):
            await ended.run(own_world.database)
        assert own_world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", other) == []
    ended = EndedFiles(own_world.timing)
    for _ in range(20):
        await ended.run(own_world.database)
    assert left(own_world) == set()
    assert own_world.logins.rows("SELECT DISTINCT state FROM blobs") == [(4,)]


async def test_what_is_held_in_the_trash_keeps_nothing_else(
    own_world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "BATCH", 8)
    own_world.logins.change(MANY, owner, 20, False, False)
    own_world.logins.change(MANY, owner, 20, False, False)
    held = "UPDATE files SET {} WHERE id IN (SELECT id FROM files WHERE held_at IS NULL LIMIT 15)"
    own_world.logins.change(held.format("held_at = now()"))
    own_world.logins.change(held.format("keep_until = now() + interval '1 d'"))
    ended = EndedFiles(own_world.timing)
    for _ in range(5):
        await ended.run(own_world.database)
    assert len(left(own_world)) == 30
