"""Two replicas re-scan stored contents: each content once, whichever replica dies or is late."""

from __future__ import annotations

import asyncio

from metadata_service.scanning import CLAIM_SECONDS, Scanning
from strongroom.metadata.v1 import scan_service_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_INFECTED
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN, SCAN_OUTCOME_INFECTED, Scan, ScanOutcome
from tests.integration.metadata_service.world import World, plain_spec

OLD, NEW, LATER = "ClamAV 1.4.6/9", "ClamAV 1.4.6/10", "ClamAV 1.4.6/11"

#: Copies each content three hundred times; the copies were never scanned.
MULTIPLY = """
WITH more AS (
    INSERT INTO blobs SELECT (jsonb_populate_record(blobs,
        jsonb_build_object('id', made.id, 'key', blobs.key || made.id))).*
    FROM blobs CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id FROM generate_series(2, 300)) AS made
    RETURNING owner_id, id
)
INSERT INTO scans (owner_id, blob_id, outcome, scanned_at)
SELECT owner_id, id, 2, now() FROM more
"""


def scanned(one: pb.StoredContent, outcome: ScanOutcome.ValueType, database: str = NEW) -> pb.ScannedContent:
    scan = Scan(
        outcome=outcome, database=database, signature="Eicar" if outcome == SCAN_OUTCOME_INFECTED else ""
    )
    scan.scan_time.GetCurrentTime()
    return pb.ScannedContent(owner_id=one.owner_id, blob_id=one.blob_id, scan=scan)


async def stocked(world: World, owner: str, count: int) -> tuple[Scanning, Scanning]:
    """Two replicas, and ``count`` contents that were never scanned."""
    for _ in range(count):
        await world.upload(owner, plain_spec())
    one, other = Scanning(world.database), Scanning(world.database)
    assert await asyncio.gather(one.take_stock("", 1000), other.take_stock("", 1000))
    return one, other


async def test_nobody_waits_behind_an_owner_of_hundreds(own_world: World, owner: str) -> None:
    """The other owner's content is always in the first batch or the second, wherever the turn begins.
    Contents that can't be read (in an archive class, say) become due repeatedly and delay nobody either.
    """
    await stocked(own_world, owner, 1)
    own_world.logins.change(MULTIPLY)
    for other in (f"{owner}-before", f"{owner}-z", "a", "~"):
        one, _ = await stocked(own_world, other, 1)
        own_world.logins.change(
            "UPDATE scans SET scan_after = now() - interval '1 s' WHERE owner_id = %s", owner
        )
        batches = [await one.claim(NEW, 8) for _ in range(2)]
        assert [len(batch) for batch in batches] == [8, 8]
        (found,) = [content for batch in batches for content in batch if content.owner_id == other]
        await one.report([scanned(found, SCAN_OUTCOME_CLEAN)])


def events(world: World, owner: str) -> int:
    query = "SELECT count(*) FROM events WHERE owner_id = %s AND type = %s"
    return int(world.logins.rows(query, owner, EVENT_TYPE_FILE_INFECTED)[0][0])


async def test_they_share_the_work(own_world: World, owner: str) -> None:
    one, other = await stocked(own_world, owner, 9)
    rounds = [await asyncio.gather(one.claim(NEW, 2), other.claim(NEW, 2)) for _ in range(3)]
    claimed = [content.blob_id for both in rounds for found in both for content in found]
    assert len(claimed) == len(set(claimed)) == 9
    assert await one.claim(NEW, 9) == []


async def test_what_a_dead_one_has_claimed_is_the_others_after_a_while(own_world: World, owner: str) -> None:
    one, other = await stocked(own_world, owner, 2)
    dead = await one.claim(NEW, 1)
    (left,) = await other.claim(NEW, 9)
    assert left.blob_id != dead[0].blob_id
    due = "UPDATE scans SET scan_after = scan_after - make_interval(secs => %s)"
    own_world.logins.change(due, CLAIM_SECONDS + 1)
    await other.report([scanned(left, SCAN_OUTCOME_CLEAN)])
    assert await other.claim(NEW, 9) == dead


async def test_both_find_the_same_and_its_owner_hears_of_it_once(own_world: World, owner: str) -> None:
    one, other = await stocked(own_world, owner, 1)
    (content,) = await one.claim(NEW, 1)
    both = (scanned(content, SCAN_OUTCOME_INFECTED), scanned(content, SCAN_OUTCOME_INFECTED))
    await asyncio.gather(one.report([both[0]]), other.report([both[1]]))
    assert events(own_world, owner) == 1
    await other.report([scanned(content, SCAN_OUTCOME_CLEAN, OLD)])  # late, with older signatures
    outcomes = own_world.logins.rows("SELECT outcome, database FROM scans WHERE owner_id = %s", owner)
    assert outcomes == [(SCAN_OUTCOME_INFECTED, NEW)]
    assert await one.claim(LATER, 9) == []


async def test_one_of_them_has_older_signatures_for_a_while(own_world: World, owner: str) -> None:
    """Each content is scanned again once: the result of the newest signatures counts, and older ones claim
    nothing.
    """
    one, other = await stocked(own_world, owner, 2)
    late, content = await other.claim(OLD, 9)
    own_world.logins.change("UPDATE scans SET scan_after = NULL")
    assert {found.blob_id for found in await one.claim(NEW, 9)} == {late.blob_id, content.blob_id}
    await one.report([scanned(late, SCAN_OUTCOME_CLEAN), scanned(content, SCAN_OUTCOME_INFECTED)])
    assert await other.claim(OLD, 9) == await one.claim(NEW, 9) == []
    await other.report([scanned(late, SCAN_OUTCOME_INFECTED, OLD)])  # newer ones no longer find it
    outcomes = own_world.logins.rows("SELECT outcome, database FROM scans WHERE owner_id = %s", owner)
    assert sorted(outcomes) == [(SCAN_OUTCOME_CLEAN, NEW), (SCAN_OUTCOME_INFECTED, NEW)]
    assert events(own_world, owner) == 1
    assert await other.claim(LATER, 9) == [late]


async def test_what_an_old_replica_lets_in_is_scanned_again_once(own_world: World, owner: str) -> None:
    one, other = await stocked(own_world, owner, 3)
    for claimed in await other.claim(OLD, 9):
        await other.report([scanned(claimed, SCAN_OUTCOME_CLEAN, OLD)])
    assert await other.claim(OLD, 9) == []
    again = await one.claim(NEW, 9)
    await one.report([scanned(claimed, SCAN_OUTCOME_CLEAN) for claimed in again])
    assert len(again) == 3
    for database in (OLD, NEW, "ClamAV 1.4.5/2", "ClamAV 1.4.6", "nonsense"):
        assert await other.claim(database, 9) == []
