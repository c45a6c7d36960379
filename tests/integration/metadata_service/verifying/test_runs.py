"""Runs, shards and rows of a verification, on a real database."""

from __future__ import annotations

import uuid

import pytest

from metadata_service.verifying.keys import KeyRows
from metadata_service.verifying.partners import Partners
from metadata_service.verifying.runs import LEASE_SECONDS, MOST_FAILURES, Runs
from metadata_service.verifying.scrubbing import Scrubbing
from metadata_service.verifying.sums import Sums
from strongroom.errors import NotFound, UploadSuperseded
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.reservation_service_pb2 import DAMAGE_CORRUPT
from strongroom.metadata.v1.verification_service_pb2 import SaveShardRequest, ScrubResult
from tests.integration.metadata_service.world import World, path_spec

HEADS = pb.VERIFICATION_DEPTH_HEADS


async def begun(runs: Runs) -> pb.Verification:
    run, is_new = await runs.begin(HEADS, 0.0)
    assert run is not None
    assert is_new
    return run


async def test_a_run_ends_with_its_last_shard(own_world: World) -> None:
    runs = Runs(own_world.database)
    with pytest.raises(NotFound):
        await runs.run("")
    run = await begun(runs)
    assert (await runs.begin(HEADS, 0.0))[1] is False
    finding = pb.Finding(kind=pb.FINDING_KIND_OBJECT_MISSING, key="k", size_bytes=7)
    for number in range(run.shards):
        shard = await runs.claim()
        assert shard is not None
        found = [finding] if number == 0 else []
        counts = pb.VerificationCounts(rows=2)
        step = SaveShardRequest(shard=shard, cursor="x", counts=counts, findings=found)
        await runs.save(step)
        step.done = True
        del step.findings[:]
        await runs.save(step)
    assert await runs.claim() is None
    ended = await runs.run(run.id)
    assert (ended.state, ended.shards_done, ended.counts.rows) == (
        pb.VERIFICATION_STATE_FINISHED, run.shards, 4 * run.shards,
    )  # fmt: skip
    assert [(found.kind, found.count, found.size_bytes) for found in ended.findings] == [
        (pb.FINDING_KIND_OBJECT_MISSING, 1, 7)
    ]
    (listed,) = await runs.findings(run.id, 0, 0)
    assert (listed.key, await runs.findings(run.id, listed.number, 0)) == ("k", [])
    assert await runs.begin(HEADS, 3600.0) == (None, False)
    assert ended.begin_position
    assert ended.end_position


async def test_who_has_lost_its_shard_saves_nothing(own_world: World) -> None:
    runs = Runs(own_world.database)
    run = await begun(runs)
    old = await runs.claim()
    assert old is not None
    own_world.logins.change("UPDATE verification_shards SET free_at = now() WHERE number = %s", old.number)
    new = await runs.claim()
    assert new is not None
    assert (new.number, new.epoch) == (old.number, old.epoch + 1)
    await runs.save(SaveShardRequest(shard=new, cursor="further"))
    finding = pb.Finding(kind=pb.FINDING_KIND_OBJECT_MISSING)
    with pytest.raises(UploadSuperseded):
        await runs.save(SaveShardRequest(shard=old, cursor="x", findings=[finding]))
    assert await runs.findings(run.id, 0, 0) == []
    own_world.logins.change("UPDATE verification_shards SET free_at = now() WHERE number = %s", old.number)
    again = await runs.claim()
    assert again is not None
    assert again.cursor == "further"


async def test_a_renewed_shard_stays_its_claimers_and_its_failures_stay(own_world: World) -> None:
    runs = Runs(own_world.database)
    run = await begun(runs)
    ended = "UPDATE verification_shards SET free_at = now() WHERE number = 1"
    for failures in range(MOST_FAILURES - 1):
        shard = await runs.claim()
        assert shard is not None
        own_world.logins.change(ended)
        assert await runs.renew(shard) == shard.lease_seconds == LEASE_SECONDS
        other = await runs.claim()
        assert other is not None
        assert other.number != shard.number, failures
        await runs.release(shard, "The listing is damaged.")
        own_world.logins.change("UPDATE verification_shards SET free_at = now()")
    shard = await runs.claim()
    assert shard is not None
    await runs.renew(shard)
    await runs.release(shard, "The listing is damaged.")
    assert (await runs.run(run.id)).state == pb.VERIFICATION_STATE_FAILED
    own_world.logins.change("UPDATE verification_shards SET epoch = epoch + 1 WHERE number = 1")
    with pytest.raises(UploadSuperseded):
        await runs.renew(shard)


async def test_a_shard_that_keeps_failing_fails_the_run(own_world: World) -> None:
    runs = Runs(own_world.database)
    run = await begun(runs)
    for _ in range(MOST_FAILURES):
        own_world.logins.change("UPDATE verification_shards SET free_at = now() WHERE number = 1")
        shard = await runs.claim()
        assert shard is not None
        await runs.release(shard, "The listing is damaged.")
    ended = await runs.run(run.id)
    assert (ended.state, ended.failure) == (pb.VERIFICATION_STATE_FAILED, "The listing is damaged.")
    assert await runs.claim() is None
    await begun(runs)


async def test_nothing_is_added_to_a_run_that_has_failed(own_world: World) -> None:
    """Its report may already be signed and read."""
    runs = Runs(own_world.database)
    run = await begun(runs)
    failing, other = await runs.claim(), await runs.claim()
    assert failing is not None
    assert other is not None
    for _ in range(MOST_FAILURES):
        await runs.release(failing, "The listing is damaged.")
    told = await runs.run(run.id)
    assert told.state == pb.VERIFICATION_STATE_FAILED
    finding = pb.Finding(kind=pb.FINDING_KIND_OBJECT_MISSING, key="k", size_bytes=7)
    late = SaveShardRequest(shard=other, cursor="x", counts=pb.VerificationCounts(rows=2), findings=[finding])
    for late.done in (False, True):
        with pytest.raises(UploadSuperseded):
            await runs.save(late)
    assert await runs.run(run.id) == told
    assert await runs.findings(run.id, 0, 0) == []


async def test_rows_are_paged_with_all_of_their_last_key(own_world: World) -> None:
    owner, keys = f"user-{uuid.uuid4()}", KeyRows(own_world.database)
    for _ in range(3):
        await own_world.upload(owner, path_spec("a.txt"))
    for _ in range(2):
        await own_world.upload(owner)
    seen, after, more = [], "", True
    while more:
        page, more = await keys.page(after, "", 1)
        seen += page
        after = page[-1].key if page else after
    assert len(seen) == len({row.blob_id for row in seen}) == 5
    assert [row.key for row in seen] == sorted(row.key for row in seen)
    assert sum(row.is_shown for row in seen) == 3
    assert await keys.page("", f"paths/{owner}", 100) == ([], False)


async def test_rows_that_belong_together_are_not_found(own_world: World) -> None:
    owner = f"user-{uuid.uuid4()}"
    for _ in range(3):
        await own_world.upload(owner)
    for step in (
        await Partners(own_world.database).files(""),
        await Partners(own_world.database).project_files(""),
        await Sums(own_world.database).check(""),
    ):
        assert (step.findings, step.cursor) == ([], "")


async def test_the_longest_unchecked_comes_first_and_damage_is_remembered(own_world: World) -> None:
    owner, scrubbing = f"user-{uuid.uuid4()}", Scrubbing(own_world.database)
    for _ in range(3):
        await own_world.upload(owner)
    first = await scrubbing.claim(2)
    assert (len(first.rows), first.unchecked) == (2, 1)
    second = await scrubbing.claim(5)
    assert len(second.rows) == 1
    assert (await scrubbing.claim(5)).rows == []
    right, wrong = first.rows
    await scrubbing.report(
        [
            ScrubResult(owner_id=owner, blob_id=right.blob_id),
            ScrubResult(owner_id=owner, blob_id=wrong.blob_id, damage=DAMAGE_CORRUPT),
        ]
    )
    rows = {row.blob_id: row for row in await KeyRows(own_world.database).at([right.key, wrong.key])}
    assert (rows[right.blob_id].is_scrubbed, rows[right.blob_id].damage) == (True, 0)
    assert (rows[wrong.blob_id].is_scrubbed, rows[wrong.blob_id].damage) == (False, DAMAGE_CORRUPT)
