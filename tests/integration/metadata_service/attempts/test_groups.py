"""T1 and T4 of several owners in one transaction: each as if it were alone."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence

import psycopg
import pytest

from metadata_service.attempts.groups import Groups
from metadata_service.config import Limits
from metadata_service.db.database import Database, NothingCommitted, Part, user
from strongroom.errors import QuotaExceeded, SizeMismatch, StrongroomError, UploadSuperseded
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from tests.integration.metadata_service.world import CRC, SINGLE, World, handle, plain_spec
from tests.stack import until

PENDING, COMMITTED = blob_pb2.BLOB_STATE_PENDING, blob_pb2.BLOB_STATE_COMMITTED


class Watched(Database):
    """Records the owners of each transaction of several owners."""

    groups: list[list[str]]

    async def together(self, parts: Sequence[Part], *more: object) -> list[list[list[tuple[object, ...]]]]:
        self.groups.append([part.owner_id for part in parts])
        return await super().together(parts, *more)  # type: ignore[arg-type]


def watched(world: World) -> Watched:
    """Replace the world's database by a `Watched` one; use it before anything else."""
    database = Watched(world.pool)
    database.groups = []
    world.database, world.groups = database, Groups(database, world.limits)
    return database


@pytest.fixture
def owners() -> list[str]:
    """Five new owners, in order."""
    return sorted(f"user-{uuid.uuid4()}" for _ in range(5))


async def nothing() -> None:
    """The function before COMMIT in transactions without failpoints."""


async def attempts(world: World, names: Sequence[str]) -> list[blob_pb2.Blob]:
    return await asyncio.gather(*(world.attempt(name) for name in names))


async def commits(world: World, blobs: Sequence[blob_pb2.Blob]) -> list[File]:
    return [answer.file for answer in await asyncio.gather(*(world.commit(blob) for blob in blobs))]


async def test_together_means_the_same_as_alone(world: World, owners: list[str]) -> None:
    database = watched(world)
    names = [owner for owner in owners for _ in range(8)]
    blobs = await attempts(world, names[::-1])
    files = await commits(world, blobs)
    assert max(map(len, database.groups)) == 5
    assert len(database.groups) <= 8
    assert Counter(file.owner_id for file in files) == Counter(names)
    for owner in owners:
        theirs = [file for file in files if file.owner_id == owner]
        assert await asyncio.gather(*(world.queries.by_key(owner, file.key) for file in theirs)) == theirs
        usage = await world.usage.usage(owner)
        assert (usage.used_bytes, usage.file_count, usage.reserved_bytes) == (80, 8, 0)
        told = world.logins.rows("SELECT subject_id FROM events WHERE owner_id = %s", owner)
        assert sorted(row[0] for row in told) == sorted(file.id for file in theirs)
    assert {file.filename for file in files} == {"notes.txt"}
    assert {world.state(blob) for blob in blobs} == {COMMITTED}


async def test_owners_are_locked_in_one_order(world: World, owners: list[str]) -> None:
    database = watched(world)
    blobs = await attempts(world, [*owners[::-1], *owners])
    await commits(world, blobs[::-1])
    assert [group for group in database.groups if group != sorted(group)] == []


async def test_opposite_orders_never_deadlock(world: World, owners: list[str]) -> None:
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = world.logins.rows(count)
    others = Groups(world.database, world.limits)
    for _ in range(6):
        blobs = await attempts(world, owners * 2)
        again = World(world.logins, world.pool, world.database, world.timing, world.limits, others)
        answers = await asyncio.gather(
            *(world.commit(blob) for blob in blobs), *(again.commit(blob) for blob in reversed(blobs))
        )
        assert {answer.file.id for answer in answers[:10]} == {answer.file.id for answer in answers[10:]}
    assert world.logins.rows(count) == before
    usages = [await world.usage.usage(owner) for owner in owners]
    assert {(usage.used_bytes, usage.file_count) for usage in usages} == {(120, 12)}


async def test_one_that_cannot_be_written_fails_alone(world: World, owners: list[str]) -> None:
    no_such_kind = blob_pb2.BlobKind.ValueType(9)
    answers = await asyncio.gather(
        *(world.attempt(owner) for owner in owners[:2]),
        world.attempt(owners[2], kind=no_such_kind),
        *(world.attempt(owner) for owner in owners[3:]),
        return_exceptions=True,
    )
    failed = [place for place, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == [2]
    assert isinstance(answers[2], psycopg.errors.CheckViolation)
    kept = [answer for answer in answers if isinstance(answer, blob_pb2.Blob)]
    assert {world.state(blob) for blob in kept} == {PENDING}
    assert world.logins.rows("SELECT 1 FROM blobs WHERE owner_id = %s", owners[2]) == []


async def test_so_does_one_whose_content_is_impossible(world: World, owners: list[str]) -> None:
    blobs = await attempts(world, owners)
    answers = await asyncio.gather(
        *(world.commit(blob, -1 if blob is blobs[2] else 10) for blob in blobs), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(psycopg.errors.CheckViolation) == 1
    assert [world.state(blob) for blob in blobs] == [COMMITTED, COMMITTED, PENDING, COMMITTED, COMMITTED]


async def test_who_has_failed_a_group_does_not_fail_the_next(world: World, owners: list[str]) -> None:
    database = watched(world)
    kinds = [SINGLE, SINGLE, blob_pb2.BlobKind.ValueType(9), SINGLE, SINGLE]

    async def one_round() -> list[list[str]]:
        database.groups.clear()
        await asyncio.gather(
            *(world.attempt(owner, kind=kind) for owner, kind in zip(owners, kinds, strict=True)),
            return_exceptions=True,
        )
        return database.groups

    assert await one_round() == [owners]
    assert await one_round() == [[*owners[:2], *owners[3:]]]


async def test_each_part_runs_as_its_owner_and_sees_nobody_else(world: World, owners: list[str]) -> None:
    blobs = await attempts(world, owners)
    seen = "SELECT current_setting('app.uid'), current_setting('app.scope'), array_agg(owner_id) FROM blobs"
    results = await world.database.together([Part(owner, [(seen, ())]) for owner in owners], nothing)
    assert [rows[0] for ((*rows,),) in results] == [(owner, "", [owner]) for owner in owners]
    victim, hostile = blobs[0], owners[-1]
    take = "UPDATE blobs SET owner_id = %s, epoch = 99 WHERE id = %s RETURNING id"
    stolen = await world.database.together(
        [Part(owners[0], [("SELECT 1", ())]), Part(hostile, [(take, (hostile, uuid.UUID(victim.id)))])],
        nothing,
    )
    assert stolen[1] == [[]]
    assert (await world.commit(victim)).file.owner_id == owners[0]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO quotas (owner_id, limit_files) VALUES (%(victim)s, 0)",
        "INSERT INTO usage (owner_id, stripe, used_bytes, file_count) VALUES (%(victim)s, 99, -5, 0)",
        "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%(victim)s, 1, 'x', '{}')",
        "INSERT INTO idempotency_keys VALUES (%(victim)s, 'r', '', NULL, gen_random_uuid())",
        "UPDATE blobs SET owner_id = %(victim)s WHERE owner_id = %(own)s",
    ],
    ids=["quotas", "usage", "events", "idempotency keys", "blobs"],
)
async def test_a_hostile_part_writes_for_nobody_else_and_takes_all_back(
    world: World, owners: list[str], statement: str
) -> None:
    victim, hostile = owners[0], owners[1]
    await world.attempt(hostile)
    put = "INSERT INTO quotas (owner_id, limit_files) VALUES (%s, 3)"
    parts = [
        Part(victim, [(put, (victim,))]),
        Part(hostile, [(statement, {"victim": victim, "own": hostile})]),
        Part(owners[2], [(put, (owners[2],))]),
    ]
    with pytest.raises(NothingCommitted) as refused:
        await world.database.together(parts, nothing)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
    assert refused.value.owner_id == hostile
    tables = ("quotas", "usage", "events", "idempotency_keys", "blobs")
    left = [world.logins.rows(f"SELECT 1 FROM {table} WHERE owner_id = %s", victim) for table in tables]
    assert left == [[]] * 5


async def test_anothers_attempt_cannot_be_committed(world: World, owners: list[str]) -> None:
    blobs = await attempts(world, owners)
    stolen = blob_pb2.Blob()
    stolen.CopyFrom(blobs[0])
    stolen.owner_id = owners[1]
    answers = await asyncio.gather(
        world.commit(stolen), *(world.commit(blob) for blob in blobs), return_exceptions=True
    )
    assert isinstance(answers[0], UploadSuperseded)
    assert [type(answer).__name__ for answer in answers[1:]] == ["CommitResponse"] * 5


async def test_one_that_waits_for_a_lock_does_not_hold_the_others_up(world: World, owners: list[str]) -> None:
    blobs = await attempts(world, owners)
    async with await psycopg.AsyncConnection.connect(world.logins.superuser) as other:
        await other.execute("SELECT 1 FROM blobs WHERE id = %s FOR UPDATE", (blobs[2].id,))
        tasks = [asyncio.create_task(world.commit(blob)) for blob in blobs]
        others = [task for task in tasks if task is not tasks[2]]
        assert len({answer.file.id for answer in await asyncio.gather(*others)}) == 4
        assert not tasks[2].done()
        await other.rollback()
        assert (await tasks[2]).file.owner_id == owners[2]


async def test_each_owner_is_woken_once(world: World, owners: list[str]) -> None:
    blobs = await attempts(world, owners * 2)
    woken: list[str] = []
    database = Database(world.pool, committed=woken.append)
    groups = Groups(database, world.limits)
    again = World(world.logins, world.pool, database, world.timing, world.limits, groups)
    for blob in await attempts(again, owners * 2):
        blobs.append(blob)
    assert woken == []  # reservations cause no events
    files = await commits(again, blobs[10:])
    assert len(files) == 10
    assert Counter(woken) == dict.fromkeys(owners, 1)


async def test_asked_twice_at_once_it_is_committed_once(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    answers = await asyncio.gather(*(world.commit(blob) for _ in range(5)))
    assert len({answer.file.id for answer in answers}) == 1
    assert (await world.usage.usage(owner)).file_count == 1


async def test_limits_that_came_meanwhile_hold(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    await world.usage.set_limits(owner, Limits(bytes=5), actor="root")
    with pytest.raises(QuotaExceeded):
        await world.commit(blob, 10)
    assert (await world.usage.usage(owner)).file_count == 0


async def test_room_that_was_reserved_needs_no_second_look(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec(size_bytes=10))
    await world.usage.set_limits(owner, Limits(bytes=10, files=1), actor="root")
    assert (await world.commit(blob, 10)).file.size_bytes == 10


async def test_another_size_than_declared_is_refused(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec(size_bytes=11))
    with pytest.raises(SizeMismatch):
        await world.commit(blob, 10)


async def test_a_doubtful_one_has_its_key_looked_at_again(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    await world.commit(blob, doubtful=True, version_id="v1")
    kinds = world.logins.rows("SELECT kind FROM blobs WHERE owner_id = %s AND id <> %s", owner, blob.id)
    assert kinds == [(blob_pb2.BLOB_KIND_LEFTOVERS,)]


async def test_nothing_is_believed_that_the_row_does_not_say(world: World, owner: str) -> None:
    moved, gone, renamed = await attempts(world, [owner] * 3)
    world.logins.change("UPDATE blobs SET epoch = 2 WHERE id = %s", moved.id)
    await world.attempts.abandon(handle(gone))
    spec = renamed.spec
    spec.filename = "another.txt"
    world.logins.change("UPDATE blobs SET spec = %s WHERE id = %s", spec.SerializeToString(), renamed.id)
    answers = await asyncio.gather(
        *(world.commit(blob) for blob in (moved, gone, renamed)), return_exceptions=True
    )
    assert [type(answer) for answer in answers[:2]] == [UploadSuperseded] * 2
    assert not isinstance(answers[2], BaseException)
    assert answers[2].file.filename == "another.txt"


async def test_another_process_commits_what_this_one_began(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    world.groups = Groups(world.database, world.limits)
    assert (await world.commit(blob)).file.crc32c == CRC


async def test_who_is_cancelled_leaves_an_attempt_to_the_cleaner(world: World, owner: str) -> None:
    assert world.groups is not None
    async with await psycopg.AsyncConnection.connect(world.logins.superuser) as other:
        await other.execute("LOCK TABLE blobs IN SHARE MODE")
        task = asyncio.create_task(world.attempt(owner))
        await asyncio.to_thread(
            until, "it waits", lambda: world.logins.rows("SELECT 1 FROM pg_locks WHERE NOT granted")
        )
        task.cancel()
        await other.rollback()
    await world.groups.drained()
    assert task.cancelled()
    assert world.logins.rows("SELECT state FROM blobs WHERE owner_id = %s", owner) == [(PENDING,)]


async def test_a_text_that_cannot_be_stored_is_its_owners_fault_alone(
    world: World, owners: list[str]
) -> None:
    blobs = await attempts(world, owners)
    answers = await asyncio.gather(
        *(world.commit(blob, etag="nul\0" if blob is blobs[1] else "e") for blob in blobs),
        return_exceptions=True,
    )
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], StrongroomError)
    assert await world.database.read(user(owners[0]), "SELECT count(*) FROM files") == [(1,)]
