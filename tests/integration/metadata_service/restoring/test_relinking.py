"""Rows are relinked to another bucket together; different bytes stay unlinked."""

from __future__ import annotations

import uuid

from metadata_service.restoring.relinking import Relinker
from strongroom.metadata.v1.file_pb2 import DATA_LOSS_UNSPECIFIED, File
from strongroom.metadata.v1.restoration_service_pb2 import MovedRow
from tests.integration.metadata_service.world import CRC, World, path_spec


def moved(file: File, attempt: str, **changed: object) -> MovedRow:
    row = MovedRow(
        owner_id=file.owner_id,
        blob_id=attempt,
        old_version_id="old",
        size_bytes=10,
        crc32c=CRC,
        version_id="new",
        etag="new-tag",
    )
    for name, value in changed.items():
        setattr(row, name, value)
    return row


async def test_blob_file_and_the_leftovers_beside_it_follow(world: World, owner: str) -> None:
    blob = await world.attempt(owner, path_spec())
    file = (await world.commit(blob, version_id="old", doubtful=True)).file
    world.logins.change("UPDATE blobs SET damage = 1 WHERE id = %s", blob.id)
    world.logins.change("UPDATE files SET damage = 1 WHERE blob_id = %s", blob.id)
    for changed in (1, 0):
        assert await Relinker(world.database).relink([moved(file, blob.id)]) == changed
    kept = await world.queries.by_id(owner, uuid.UUID(file.id))
    assert (kept.version_id, kept.etag, kept.data_loss) == ("new", "new-tag", DATA_LOSS_UNSPECIFIED)
    rows = world.logins.rows("SELECT kind, version_id FROM blobs WHERE owner_id = %s ORDER BY kind", owner)
    assert rows == [(1, "new"), (4, "new")]  # the cleaner would take the bytes for a late request's


async def test_what_is_not_as_it_is_told_stays(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    file = (await world.commit(blob, version_id="old")).file
    for changed in (
        {"old_version_id": "older"},
        {"size_bytes": 11},
        {"crc32c": 1},
        {"owner_id": "somebody"},
        {"blob_id": str(uuid.uuid4())},
    ):
        assert await Relinker(world.database).relink([moved(file, blob.id, **changed)]) == 0
    await world.delete(owner, file)
    assert await Relinker(world.database).relink([moved(file, blob.id)]) == 0


async def test_several_owners_at_once(world: World, owner: str) -> None:
    rows = []
    for name in (owner, f"{owner}-2", f"{owner}-3"):
        blob = await world.attempt(name)
        rows.append(moved((await world.commit(blob, version_id="old")).file, blob.id))
    assert await Relinker(world.database).relink(rows) == 3
    assert await Relinker(world.database).relink([]) == 0
