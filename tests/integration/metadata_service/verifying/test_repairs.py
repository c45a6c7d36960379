"""Repairs of rows: each changes exactly what its caller has seen, and nothing that has changed since."""

from __future__ import annotations

import asyncio
import uuid

import psycopg
import pytest

from metadata_service.files.queries import Listing
from metadata_service.verifying import installation
from metadata_service.verifying.keys import KeyRows
from metadata_service.verifying.partners import Partners
from metadata_service.verifying.repairs import RowRepairs
from metadata_service.verifying.scrubbing import Scrubbing
from metadata_service.verifying.sums import Sums
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import verification_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED, BLOB_STATE_DELETING
from strongroom.metadata.v1.file_pb2 import (
    DATA_LOSS_CORRUPT,
    DATA_LOSS_LOST,
    GENERATION_TYPE_TEXT_TO_IMAGE,
    File,
)
from strongroom.metadata.v1.reservation_service_pb2 import DAMAGE_CORRUPT, DAMAGE_LOST
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget
from tests.integration.metadata_service.world import CRC, World, path_spec, plain_spec


def repairs(world: World) -> RowRepairs:
    return RowRepairs(world.database, world.timing.read_grace)


async def row_of(world: World, file: File) -> pb.KeyRow:
    (row,) = await KeyRows(world.database).at([file.key])
    return row


def relink(row: pb.KeyRow, **changes: object) -> pb.RepairRowRequest:
    request = pb.RepairRowRequest(owner_id=row.owner_id, blob_id=row.blob_id)
    wanted = {
        "from_version_id": row.version_id, "from_etag": row.etag, "version_id": "v2", "etag": "e2",
        "size_bytes": row.size_bytes, "crc32c": row.crc32c,
    }  # fmt: skip
    request.relink.CopyFrom(pb.Relink(**(wanted | changes)))  # type: ignore[arg-type]
    return request


async def test_a_relinked_row_and_what_shows_it_name_the_other_version(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file = (await world.commit(await world.attempt(owner, path_spec()), version_id="v1")).file
    row = await row_of(world, file)
    assert await repairs(world).repair(relink(row))
    now = await row_of(world, file)
    assert (now.version_id, now.etag, now.state) == ("v2", "e2", BLOB_STATE_COMMITTED)
    shown = await world.queries.by_id(owner, uuid.UUID(file.id))
    assert (shown.version_id, shown.etag, shown.crc32c) == ("v2", "e2", CRC)
    assert not await repairs(world).repair(relink(row)), "it names another version by now"
    assert not await repairs(world).repair(relink(now, from_etag="e9"))


async def test_nothing_is_relinked_while_the_cleaner_may_remove_other_versions(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    blob = await world.attempt(owner, path_spec())
    file = (await world.commit(blob, version_id="v1", doubtful=True)).file
    rows = await KeyRows(world.database).at([file.key])
    assert len(rows) == 2
    (row,) = [one for one in rows if one.state == BLOB_STATE_COMMITTED]
    assert not await repairs(world).repair(relink(row))
    world.logins.change("DELETE FROM blobs WHERE owner_id = %s AND id <> %s", owner, row.blob_id)
    assert await repairs(world).repair(relink(row))


async def test_only_what_nothing_shows_is_retired(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file, hidden = await world.upload(owner), await world.upload(owner)
    soft = await world.upload(owner)
    await world.delete(owner, soft, soft=True)
    world.logins.change("DELETE FROM files WHERE id = %s", hidden.id)
    for one, retired in ((file, False), (soft, False), (hidden, True)):
        row = await row_of(world, one)
        request = pb.RepairRowRequest(owner_id=owner, blob_id=row.blob_id, retire=pb.Retire())
        assert await repairs(world).repair(request) is retired
        now = await row_of(world, one)
        assert now.state == (BLOB_STATE_DELETING if retired else BLOB_STATE_COMMITTED)
        assert not retired or not await repairs(world).repair(request)


async def test_a_file_takes_the_facts_of_its_blob(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file = await world.upload(owner)
    row = await row_of(world, file)
    world.logins.change(
        "UPDATE files SET size_bytes = size_bytes + 1, crc32c = crc32c # 1, etag = 'x', version_id = 'x'"
        " WHERE id = %s",
        file.id,
    )
    partners = Partners(world.database)
    assert [one for one in (await partners.files("")).findings if one.owner_id == owner] != []
    request = pb.RepairRowRequest(owner_id=owner, blob_id=row.blob_id, copy_facts=pb.CopyFacts())
    assert await repairs(world).repair(request)
    assert [one for one in (await partners.files("")).findings if one.owner_id == owner] == []
    request.blob_id = str(uuid.uuid4())
    assert not await repairs(world).repair(request)


async def test_a_marked_file_says_so_until_its_bytes_are_right(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file = await world.upload(owner, path_spec())
    row = await row_of(world, file)
    request = pb.RepairRowRequest(owner_id=owner, blob_id=row.blob_id)
    request.mark.CopyFrom(pb.MarkDamage(version_id="another", damage=DAMAGE_LOST))
    assert not await repairs(world).repair(request)
    request.mark.version_id = row.version_id
    for damage, loss in ((DAMAGE_LOST, DATA_LOSS_LOST), (DAMAGE_CORRUPT, DATA_LOSS_CORRUPT), (0, 0)):
        request.mark.damage = damage  # type: ignore[assignment]
        assert await repairs(world).repair(request)
        assert (await world.queries.by_id(owner, uuid.UUID(file.id))).data_loss == loss
        for basic in (True, False):
            page = await world.queries.page(Listing(owner, basic=basic), 10, "")
            assert [one.data_loss for one in page.files] == [loss]
        assert (await row_of(world, file)).damage == damage


async def test_new_content_is_not_marked(world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file = await world.upload(owner, path_spec())
    row = await row_of(world, file)
    request = pb.RepairRowRequest(owner_id=owner, blob_id=row.blob_id)
    request.mark.CopyFrom(pb.MarkDamage(version_id=row.version_id, damage=DAMAGE_LOST))
    assert await repairs(world).repair(request)
    again = await world.upload(owner, path_spec())
    assert (again.id, again.data_loss) == (file.id, 0)
    assert (await world.queries.by_id(owner, uuid.UUID(file.id))).data_loss == 0


async def test_the_scrub_marks_what_it_finds_and_takes_it_back(own_world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    file = await own_world.upload(owner)
    row = await row_of(own_world, file)
    for damage, loss in ((DAMAGE_CORRUPT, DATA_LOSS_CORRUPT), (0, 0)):
        result = pb.ScrubResult(owner_id=owner, blob_id=row.blob_id)
        result.damage = damage  # type: ignore[assignment]
        await Scrubbing(own_world.database).report([result])
        assert (await own_world.queries.by_id(owner, uuid.UUID(file.id))).data_loss == loss


def generation() -> UploadSpec:
    target = UploadTarget()
    target.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
    return plain_spec(target=target)


async def drift(world: World, owner: str) -> list[str]:
    return [found.found for found in (await Sums(world.database).check(owner[:-1])).findings[:3]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage SET used_bytes = used_bytes + 1000 WHERE owner_id = %s",
        "UPDATE usage SET file_count = file_count - 5 WHERE owner_id = %s",
        "DELETE FROM usage WHERE owner_id = %s",
        "UPDATE generation_tallies SET count = count + 1 WHERE owner_id = %s",
        "DELETE FROM generation_tallies WHERE owner_id = %s",
    ],
)
async def test_sums_are_those_of_the_rows_again(own_world: World, statement: str) -> None:
    owner = f"user-{uuid.uuid4()}"
    await own_world.upload(owner, generation(), size=7)
    own_world.logins.change(statement, owner)
    request = pb.RepairRowRequest(owner_id=owner, recount=pb.Recount())
    assert await drift(own_world, owner) != []
    assert await repairs(own_world).repair(request)
    assert await drift(own_world, owner) == []
    assert not await repairs(own_world).repair(request)


async def test_what_is_counted_meanwhile_stays_counted(own_world: World) -> None:
    """With concurrent recounts and uploads the drift is removed once, and all uploads stay counted."""
    owner = f"user-{uuid.uuid4()}"
    await own_world.upload(owner, generation())
    request = pb.RepairRowRequest(owner_id=owner, recount=pb.Recount())
    for _ in range(3):
        own_world.logins.change("UPDATE usage SET used_bytes = used_bytes + 999 WHERE owner_id = %s", owner)
        await asyncio.gather(
            *(own_world.upload(owner, generation()) for _ in range(8)),
            *(repairs(own_world).repair(request) for _ in range(3)),
        )
        assert await drift(own_world, owner) == []


async def test_an_unnamed_repair_is_refused(world: World) -> None:
    with pytest.raises(InvalidField):
        await repairs(world).repair(pb.RepairRowRequest(owner_id="u", blob_id=str(uuid.uuid4())))


async def test_the_installation_says_whether_it_can_be_acted_upon(own_world: World) -> None:
    empty = await installation.read(own_world.database)
    assert uuid.UUID(empty.installation_id)
    assert (empty.schema_revision, empty.has_committed) == (empty.expected_revision, False)
    await own_world.upload(f"user-{uuid.uuid4()}")
    assert (await installation.read(own_world.database)).has_committed
    with psycopg.connect(own_world.logins.superuser, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("DELETE FROM installation")
    other = await installation.read(own_world.database)
    assert (other.installation_id, other.schema_revision) == ("", "9999")
