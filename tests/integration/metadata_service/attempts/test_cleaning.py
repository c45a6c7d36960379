"""Claims, removals and housekeeping over all owners."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from metadata_service.attempts.cleaning import CleaningWork, Expiry
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.db.database import SYSTEM
from metadata_service.erasing import rows as erasures
from strongroom.errors import DatabaseUnavailable, FileNotFound, UploadSuperseded
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import World, handle, path_spec, plain_spec

LEFTOVERS = 4
PENDING, COMPLETING, COMMITTED, DELETING, ABORTING, GONE = range(1, 7)


def held(row: BlobRow) -> Handle:
    return Handle(row.owner_id, row.id, row.epoch)


def all_due(world: World) -> None:
    """End all pauses, graces and claims."""
    world.logins.change("UPDATE blobs SET not_before = now() - interval '1 s' WHERE not_before IS NOT NULL")


async def claimed(world: World, limit: int = 0) -> list[BlobRow]:
    return (await world.cleaning.claim(limit))[0]


async def test_nothing_to_do(own_world: World, owner: str) -> None:
    await own_world.attempt(owner)
    await own_world.upload(owner)
    assert await own_world.cleaning.claim(0) == ([], 0)


async def test_a_silent_attempt_is_expired_and_handed_out(own_world: World, owner: str) -> None:
    blob = await own_world.attempt(owner, plain_spec(size_bytes=10))
    own_world.run_out(blob)
    rows, housekept = await own_world.cleaning.claim(0)
    assert housekept == 1
    assert [(str(row.id), row.state, row.epoch) for row in rows] == [(blob.id, ABORTING, 3)]
    assert (await own_world.usage.usage(owner)).reserved_bytes == 0
    for late in (own_world.attempts.renew_lease(handle(blob)), own_world.attempts.abandon(handle(blob))):
        with pytest.raises(UploadSuperseded):
            await late
    with pytest.raises(UploadSuperseded):
        await own_world.commit(blob)
    assert await claimed(own_world) == []


async def test_a_removal_leaves_a_tombstone_and_then_nothing(own_world: World, owner: str) -> None:
    blob = await own_world.completing(owner)
    await own_world.attempts.abandon(handle(blob))
    (row,) = await claimed(own_world)
    for _ in range(2):
        await own_world.cleaning.finish_removal(held(row), ABORTING)
    assert own_world.state(blob) == GONE
    assert await claimed(own_world) == []
    all_due(own_world)
    assert row.parts
    (row,) = await claimed(own_world)
    assert (row.state, row.parts) == (GONE, b"")
    for _ in range(2):
        await own_world.cleaning.finish_removal(held(row), GONE)
    assert own_world.state(blob) is None


async def test_a_deleted_file_goes_after_the_read_grace(own_world: World, owner: str) -> None:
    blob = await own_world.attempt(owner, path_spec())
    file = (await own_world.commit(blob, version_id="v1")).file
    await own_world.delete(owner, file)
    assert await claimed(own_world) == []
    all_due(own_world)
    (row,) = await claimed(own_world)
    assert (row.state, row.key, row.version_id) == (DELETING, file.key, "v1")
    await own_world.cleaning.finish_removal(held(row), DELETING)
    assert own_world.state(blob) == GONE


async def delete_in_each_way(world: World, owner: str) -> None:
    """By a replacement, by the owner, after its purge time, after its expiry."""
    for _ in range(2):
        await world.upload(owner, path_spec())
    await world.delete(owner, await world.upload(owner, plain_spec()))
    hidden = await world.upload(owner, plain_spec())
    await world.delete(owner, hidden, soft=True)
    world.logins.change("UPDATE files SET purge_at = now() WHERE purge_at IS NOT NULL")
    temporary = UploadSpec(filename="t.bin")
    temporary.target.temp.SetInParent()
    ended = await world.upload(owner, temporary)
    world.logins.change("UPDATE files SET expires_at = now() WHERE id = %s", ended.id)


async def test_bytes_of_deletions_of_every_kind_stay_for_the_restore_window(
    own_world: World, owner: str
) -> None:
    world = own_world.but(restore_window=3600.0, read_grace=1.0)
    await delete_in_each_way(world, owner)
    await claimed(world)
    all_due(world)
    rows = await claimed(world)
    assert [(row.state, row.hide_only) for row in rows] == [(DELETING, True)] * 4
    for row in rows:
        await world.cleaning.release(held(row), hidden=True)
    waits = "SELECT extract(epoch FROM not_before - state_changed_at)::float FROM blobs WHERE state = 4"
    assert [pause for (pause,) in world.logins.rows(waits)] == [3600.0] * 4
    assert await claimed(world) == []
    world.logins.change("UPDATE blobs SET state_changed_at = now() - interval '3601 s', not_before = now()")
    assert [(row.state, row.hide_only) for row in await claimed(world)] == [(DELETING, False)] * 4


async def test_a_window_that_grows_holds_for_what_waits_already(own_world: World, owner: str) -> None:
    await own_world.delete(owner, await own_world.upload(owner))
    all_due(own_world)
    (row,) = await claimed(own_world.but(restore_window=60.0))
    assert row.hide_only
    all_due(own_world)
    (row,) = await claimed(own_world)
    assert not row.hide_only


async def test_nothing_is_kept_of_an_owner_who_is_being_erased(own_world: World, owner: str) -> None:
    world = own_world.but(restore_window=3600.0)
    for name in (owner, f"{owner}-2"):
        await world.delete(name, await world.upload(name))
    begin = {"id": uuid4(), "owner": owner}
    await world.database.transact(SYSTEM, lambda tx: tx.execute(erasures.BEGIN, begin))
    all_due(world)
    assert {row.owner_id: row.hide_only for row in await claimed(world)} == {owner: False, f"{owner}-2": True}


async def test_attempts_that_never_committed_wait_for_no_window(own_world: World, owner: str) -> None:
    world = own_world.but(restore_window=3600.0)
    blob = await world.attempt(owner)
    await world.attempts.abandon(handle(blob))
    (row,) = await claimed(world)
    assert (row.state, row.hide_only) == (ABORTING, False)
    with pytest.raises(UploadSuperseded):
        await world.cleaning.release(held(row), hidden=True)


async def test_what_is_kept_is_looked_at_again_while_its_key_is_undecided(
    own_world: World, owner: str
) -> None:
    """A newer attempt at the key may be given up: then the deleted object would be visible again."""
    world = own_world.but(restore_window=3600.0, retry=1.0)
    file = await world.upload(owner, path_spec())
    await world.delete(owner, file)
    await world.attempt(owner, path_spec())
    all_due(world)
    (row,) = await claimed(world)
    await world.cleaning.release(held(row), hidden=True)
    due = "SELECT not_before < now() + interval '1 minute' FROM blobs WHERE state = 4"
    assert world.logins.rows(due) == [(True,)]


async def test_what_waits_is_counted(own_world: World, owner: str) -> None:
    await own_world.delete(owner, await own_world.upload(owner, size=7))
    await own_world.delete(owner, await own_world.upload(owner, size=8))
    cleaning = own_world.cleaning
    assert cleaning.kept.collect() == ()
    await cleaning.claim(0)
    shown = {metric.name: metric.samples[0].value for metric in cleaning.kept.collect()}
    assert shown == {"strongroom_kept_objects": 2, "strongroom_kept_bytes": 15}


async def test_a_doubtful_commit_has_its_key_looked_at_once_more(own_world: World, owner: str) -> None:
    blob = await own_world.attempt(owner, path_spec())
    for _ in range(2):
        await own_world.commit(blob, version_id="v1", doubtful=True)
    await own_world.commit(await own_world.attempt(owner), doubtful=True)  # without versioning
    assert await claimed(own_world) == []
    all_due(own_world)
    (row,) = await claimed(own_world)
    assert (row.kind, row.state, row.key, row.version_id) == (LEFTOVERS, GONE, blob.key, "v1")
    assert row.object_metadata["strongroom-attempt"] == blob.id != str(row.id)
    await own_world.cleaning.finish_removal(held(row), GONE)
    assert own_world.state(blob) == COMMITTED
    all_due(own_world)
    assert await claimed(own_world) == []


async def test_two_cleaners_never_hold_one_row(own_world: World, owner: str) -> None:
    for _ in range(40):
        await own_world.attempts.abandon(handle(await own_world.attempt(owner)))
    batches = await asyncio.gather(*(claimed(own_world, 10) for _ in range(8)))
    ids = [row.id for batch in batches for row in batch]
    assert len(ids) == len(set(ids)) == 40


async def test_a_claim_that_ran_out_passes_to_another_cleaner(own_world: World, owner: str) -> None:
    await own_world.attempts.abandon(handle(await own_world.attempt(owner)))
    (first,) = await claimed(own_world)
    all_due(own_world)
    (second,) = await claimed(own_world)
    assert second.epoch == first.epoch + 1
    with pytest.raises(UploadSuperseded):
        await own_world.cleaning.finish_removal(held(first), ABORTING)
    await own_world.cleaning.finish_removal(held(second), ABORTING)


async def test_an_expired_completion_is_rolled_forward(own_world: World, owner: str) -> None:
    blob = await own_world.completing(owner, plain_spec("r1"))
    own_world.run_out(blob)
    (row,) = await claimed(own_world)
    assert (row.state, row.epoch) == (COMPLETING, blob.epoch + 1)
    with pytest.raises(UploadSuperseded):  # the writer that was shut out
        await own_world.commit(blob)
    file = (await own_world.commit(row.to_proto())).file
    assert (await own_world.reserve(owner, plain_spec("r1"))).replay == file
    assert await claimed(own_world) == []


async def test_completions_and_removals_share_the_places_of_a_claim(own_world: World, owner: str) -> None:
    blob = await own_world.completing(owner)
    own_world.run_out(blob)
    await own_world.attempts.abandon(handle(await own_world.attempt(owner)))
    assert [row.state for row in await claimed(own_world, 1)] == [COMPLETING]
    assert [row.state for row in await claimed(own_world, 1)] == [ABORTING]


async def test_a_completion_without_its_data_is_given_up(own_world: World, owner: str) -> None:
    blob = await own_world.completing(owner)
    own_world.run_out(blob)
    (row,) = await claimed(own_world)
    await own_world.attempts.abandon(held(row))
    (row,) = await claimed(own_world)
    assert row.state == ABORTING


async def test_a_failure_waits_longer_each_time(own_world: World, owner: str) -> None:
    world = own_world.but(retry=10.0, retry_max=35.0)
    await world.attempts.abandon(handle(await world.attempt(owner)))
    pauses: list[float] = []
    rows: list[BlobRow] = []
    for _ in range(4):
        all_due(world)
        rows += await claimed(world)
        await world.cleaning.release(held(rows[-1]))
        ((pause,),) = world.logins.rows("SELECT extract(epoch FROM not_before - now()) FROM blobs")
        pauses.append(round(float(pause), -1) if float(pause) < 34 else 35)
    assert pauses == [10, 20, 35, 35]
    with pytest.raises(UploadSuperseded):
        await world.cleaning.release(held(rows[-2]))


async def test_what_waits_to_be_rolled_forward_is_looked_at_every_minute(
    own_world: World, owner: str
) -> None:
    blob = await own_world.completing(owner)
    own_world.run_out(blob)
    for _ in range(9):  # a doubled pause would last for hours
        all_due(own_world)
        (row,) = await claimed(own_world)
        assert await claimed(own_world) == []
        await own_world.cleaning.release(held(row))
    ((pause, lease),) = own_world.logins.rows(
        "SELECT extract(epoch FROM not_before - now()), lease_expires_at < now() FROM blobs"
    )
    assert 50 < pause <= 60
    assert lease


async def test_after_an_outage_of_the_database_writers_have_a_lease_to_speak_up(
    own_world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could renew a lease meanwhile, so silence does not mean death."""
    cleaning, database = own_world.cleaning, own_world.database
    pending, completing = await own_world.attempt(owner), await own_world.completing(owner)
    for blob in (pending, completing):
        own_world.run_out(blob)

    async def away(*_: object) -> None:
        raise DatabaseUnavailable("Postgres does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(database, "transact", away)
        with pytest.raises(DatabaseUnavailable):
            await cleaning.claim(0)
    assert (await cleaning.claim(0))[0] == []
    await own_world.attempts.renew_lease(handle(pending))
    cleaning.expiry = Expiry(0.0)
    assert [row.id for row in (await cleaning.claim(0))[0]] == [UUID(completing.id)]
    assert own_world.state(pending) == PENDING


async def test_who_fell_silent_while_the_service_was_away_has_a_lease_to_speak_up(
    own_world: World, owner: str
) -> None:
    """A restart took longer than a lease, during which nobody could renew: uploads continue after it."""
    cleaning = CleaningWork(
        own_world.database, own_world.timing, expiry=Expiry(own_world.timing.lease, away=True)
    )
    pending, completing = await own_world.attempt(owner), await own_world.completing(owner)
    for blob in (pending, completing):
        own_world.run_out(blob)
    assert (await cleaning.claim(0))[0] == []
    assert own_world.state(pending) == PENDING
    await own_world.attempts.renew_lease(handle(completing))
    cleaning.expiry = Expiry(0.0)
    assert [row.id for row in (await cleaning.claim(0))[0]] == [UUID(pending.id)]
    assert own_world.state(completing) == COMPLETING


async def test_a_released_completion_is_handed_out_again(own_world: World, owner: str) -> None:
    world = own_world.but(retry=0.0)
    blob = await world.completing(owner)
    world.run_out(blob)
    (row,) = await claimed(world)
    await world.cleaning.release(held(row))
    (again,) = await claimed(world)
    assert (again.id, again.epoch) == (row.id, row.epoch + 1)


async def test_the_batch_is_limited(own_world: World, owner: str) -> None:
    for _ in range(7):
        await own_world.attempts.abandon(handle(await own_world.attempt(owner)))
    assert [len(await claimed(own_world, 3)) for _ in range(4)] == [3, 3, 1, 0]


async def test_temporary_files_end_by_themselves(own_world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.txt", content_type="text/plain")
    spec.target.temp.SetInParent()
    blob = await own_world.attempt(owner, spec)
    file = (await own_world.commit(blob)).file
    own_world.logins.change("UPDATE files SET expires_at = now()")
    with pytest.raises(FileNotFound):  # at once, without a cleaner
        await own_world.queries.by_key(owner, file.key)
    assert (await own_world.cleaning.claim(0))[1] == 1
    assert own_world.state(blob) == DELETING
    assert (await own_world.usage.usage(owner)).file_count == 0
    events = own_world.logins.rows("SELECT type FROM events ORDER BY xid, id")
    assert events == [(2,), (3,)]


async def test_soft_deleted_files_end_after_their_window(own_world: World, owner: str) -> None:
    blob = await own_world.attempt(owner)
    await own_world.delete(owner, (await own_world.commit(blob)).file, soft=True)
    assert (await own_world.cleaning.claim(0))[1] == 0
    own_world.logins.change("UPDATE files SET purge_at = now()")
    assert (await own_world.cleaning.claim(0))[1] == 1
    assert own_world.state(blob) == DELETING
    usage = await own_world.usage.usage(owner)
    assert (usage.used_bytes, usage.file_count) == (0, 0)  # it was counted out when it was hidden


async def test_old_events_are_forgotten(own_world: World, owner: str) -> None:
    await own_world.upload(owner)
    own_world.logins.change("UPDATE events SET created_at = now() - interval '25 h'")
    await own_world.upload(owner)
    assert (await own_world.cleaning.claim(0))[1] == 1
    assert own_world.logins.rows("SELECT count(*) FROM events") == [(1,)]


async def test_settled_keys_have_a_row_and_no_writer(own_world: World, owner: str) -> None:
    writing = await own_world.attempt(owner)
    completing = await own_world.completing(owner)
    done = await own_world.upload(owner)
    given_up = await own_world.attempt(owner)
    await own_world.attempts.abandon(handle(given_up))
    await own_world.upload(owner, path_spec("busy"))
    busy = await own_world.attempt(owner, path_spec("busy"))
    keys = [writing.key, completing.key, done.key, given_up.key, busy.key, "uploads/unknown"]
    assert set(await own_world.cleaning.settled_keys(keys)) == {done.key, given_up.key}


async def test_versions_of_a_shared_key_that_no_row_has(own_world: World, owner: str) -> None:
    file = await own_world.upload(owner, path_spec())
    own_world.logins.change("UPDATE blobs SET version_id = 'v1'")
    assert await own_world.cleaning.unrecorded_versions(file.key, ["late", "v1"]) == ["late"]
    assert await own_world.cleaning.unrecorded_versions("paths/none", ["v1"]) == ["v1"]


async def test_a_blob_that_a_file_shows_cannot_be_purged(own_world: World, owner: str) -> None:
    import psycopg

    blob = await own_world.attempt(owner)
    await own_world.commit(blob)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        own_world.logins.change("DELETE FROM blobs WHERE id = %s", blob.id)
    assert own_world.state(blob) == COMMITTED
