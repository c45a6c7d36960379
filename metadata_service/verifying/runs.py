"""Runs of a verification: their shards, which any replica works on under a lease, and their findings.

A shard is saved together with its findings in one transaction, and only by its last claimer, so a step
repeated after a crash counts once.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from metadata_service.blobs import upkeep
from metadata_service.db.database import SYSTEM, Database, Row, Statement, Transaction
from metadata_service.db.timestamps import to_proto
from strongroom.errors import NotFound, UploadSuperseded
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1 import verification_service_pb2 as service

LEASE_SECONDS: Final = 60.0
#: Consecutive failures of one shard that end the run. The pauses between them add up to about two minutes.
MOST_FAILURES: Final = 8
LONGEST_PAUSE_SECONDS: Final = 60.0
KEPT_RUNS: Final = 30
FINDINGS_PAGE: Final = 500
LARGEST_FINDINGS_PAGE: Final = 2000
#: Rows in one range of keys. Ranges let replicas share the work.
ROWS_PER_RANGE: Final = 50_000
MOST_RANGES: Final = 64
_SAMPLED_PER_RANGE: Final = 200
#: The other stages, with one shard each.
_SINGLE: Final = (
    pb.VERIFICATION_STAGE_UPLOADS,
    pb.VERIFICATION_STAGE_SEGMENTS,
    pb.VERIFICATION_STAGE_FILES,
    pb.VERIFICATION_STAGE_PROJECT_FILES,
    pb.VERIFICATION_STAGE_SUMS,
    pb.VERIFICATION_STAGE_QUARANTINE,
)
_RUNNING: Final = pb.VERIFICATION_STATE_RUNNING
_FINISHED: Final = pb.VERIFICATION_STATE_FINISHED
_FAILED: Final = pb.VERIFICATION_STATE_FAILED

_COLUMNS: Final = """
id, state, depth, installation_id, revision, begin_position, end_position, begun_at, ended_at, failure
"""
_SAME_OR_YOUNG: Final = f"""
SELECT id, state FROM verifications
WHERE state = {_RUNNING} OR begun_at > now() - make_interval(secs => %(young)s)
ORDER BY begun_at DESC LIMIT 1
"""
_BEGIN: Final = f"""
INSERT INTO verifications (id, state, depth, installation_id, revision, begin_position)
SELECT %(id)s, {_RUNNING}, %(depth)s, installation.id, version_num, pg_current_wal_lsn()::text
FROM installation, alembic_version
ON CONFLICT (state) WHERE state = {_RUNNING} DO NOTHING
"""
_SIZE: Final = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'blobs'::regclass"
_BOUNDS: Final = """
SELECT percentile_disc(%(at)s::float8[]) WITHIN GROUP (ORDER BY key)
FROM blobs TABLESAMPLE SYSTEM (%(percent)s)
"""
_ADD_SHARD: Final = """
INSERT INTO verification_shards (verification_id, number, stage, cursor, until_key)
VALUES (%(id)s, %(number)s, %(stage)s, %(cursor)s, %(until)s)
"""
_FORGET: Final = f"""
WITH old AS (
    DELETE FROM verifications WHERE state <> {_RUNNING} AND id NOT IN (
        SELECT id FROM verifications ORDER BY begun_at DESC LIMIT {KEPT_RUNS})
    RETURNING id
), shards AS (DELETE FROM verification_shards USING old WHERE verification_id = old.id)
DELETE FROM verification_findings USING old WHERE verification_id = old.id
"""
_CLAIM: Final = f"""
WITH free AS MATERIALIZED (
    SELECT shard.verification_id, shard.number, run.depth FROM verification_shards AS shard
    JOIN verifications AS run ON run.id = shard.verification_id
    WHERE run.state = {_RUNNING} AND shard.done_at IS NULL AND shard.free_at <= now()
    ORDER BY shard.number LIMIT 1 FOR UPDATE OF shard SKIP LOCKED
)
UPDATE verification_shards AS shard
SET epoch = epoch + 1, free_at = now() + make_interval(secs => {LEASE_SECONDS})
FROM free WHERE shard.verification_id = free.verification_id AND shard.number = free.number
RETURNING shard.verification_id, shard.number, shard.epoch, shard.stage, shard.cursor, shard.until_key,
    free.depth
"""
_HELD: Final = """
verification_id = %(id)s AND number = %(number)s AND epoch = %(epoch)s AND done_at IS NULL
"""
_COUNTS: Final = f"SELECT counts FROM verification_shards WHERE {_HELD} FOR UPDATE"
_SAVE: Final = f"""
UPDATE verification_shards SET cursor = %(cursor)s, counts = %(counts)s, failures = 0,
    done_at = CASE WHEN %(done)s THEN now() END,
    free_at = now() + make_interval(secs => {LEASE_SECONDS})
WHERE {_HELD}
"""
# Also renews a shard that is done: its last save and a renewal may cross.
_RENEW: Final = f"""
UPDATE verification_shards SET free_at = now() + make_interval(secs => {LEASE_SECONDS})
WHERE verification_id = %(id)s AND number = %(number)s AND epoch = %(epoch)s
"""
_FOUND: Final = """
INSERT INTO verification_findings (verification_id, kind, size_bytes, finding)
VALUES (%(id)s, %(kind)s, %(size)s, %(finding)s)
"""
_LOCK: Final = f"SELECT FROM verifications WHERE id = %(id)s AND state = {_RUNNING} FOR UPDATE"
_END: Final = f"""
UPDATE verifications SET state = {_FINISHED}, ended_at = clock_timestamp(),
    end_position = pg_current_wal_lsn()::text
WHERE id = %(id)s AND state = {_RUNNING} AND NOT EXISTS (
    SELECT 1 FROM verification_shards WHERE verification_id = %(id)s AND done_at IS NULL)
"""
_RELEASE: Final = f"""
UPDATE verification_shards SET failures = failures + 1,
    free_at = now() + make_interval(secs => least(2 ^ failures, {LONGEST_PAUSE_SECONDS}))
WHERE {_HELD} RETURNING failures
"""
_FAIL: Final = f"""
UPDATE verifications SET state = {_FAILED}, ended_at = clock_timestamp(), failure = %(failure)s,
    end_position = pg_current_wal_lsn()::text
WHERE id = %(id)s AND state = {_RUNNING}
"""
_SHARDS: Final = "SELECT counts, done_at IS NOT NULL FROM verification_shards WHERE verification_id = %(id)s"
_BY_KIND: Final = """
SELECT kind, count(*), sum(size_bytes)::bigint FROM verification_findings WHERE verification_id = %(id)s
GROUP BY kind ORDER BY kind
"""
_PAGE: Final = """
SELECT number, finding FROM verification_findings WHERE verification_id = %(id)s AND number > %(after)s
ORDER BY number LIMIT %(limit)s
"""


class Runs:
    """Begins runs, hands out shards, saves results; one instance per process. Every method raises
    DatabaseUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, depth: pb.VerificationDepth.ValueType, unless_younger: float
    ) -> tuple[pb.Verification | None, bool]:
        """The running verification or a new one, and whether it is new. None: the last one is younger than
        `unless_younger` seconds.
        """
        found = await self._database.read(SYSTEM, _SAME_OR_YOUNG, {"young": unless_younger})
        if found:
            run_id, state = found[0]
            return (await self.run(str(run_id)) if state == _RUNNING else None), False
        bounds, made = await self._bounds(), uuid.uuid4()

        async def work(tx: Transaction) -> bool:
            if not await tx.execute(_BEGIN, {"id": made, "depth": depth or pb.VERIFICATION_DEPTH_HEADS}):
                return False  # another replica was faster
            await tx.batch([*_shards(made, bounds), (_FORGET, ())])
            return True

        begun = await self._database.transact(SYSTEM, work)
        return await self.run(str(made) if begun else ""), begun

    async def _bounds(self) -> list[str]:
        """Keys that divide the rows into ranges of about equal size, estimated by a sample; ascending."""
        ((rows,),) = await self._database.read(SYSTEM, _SIZE)
        ranges = min(rows // ROWS_PER_RANGE, MOST_RANGES)
        if ranges < 2:
            return []
        at = [number / ranges for number in range(1, ranges)]
        percent = min(100.0, 100.0 * ranges * _SAMPLED_PER_RANGE / rows)
        ((keys,),) = await self._database.read(SYSTEM, _BOUNDS, {"at": at, "percent": percent})
        return sorted({key for key in keys or [] if key})

    async def claim(self) -> service.VerificationShard | None:
        """A shard that nobody works on, for LEASE_SECONDS."""
        row = await self._database.transact(SYSTEM, lambda tx: tx.fetch_one(_CLAIM))
        if row is None:
            return None
        run, number, epoch, stage, cursor, until, depth = row
        return service.VerificationShard(
            verification_id=str(run),
            number=number,
            epoch=epoch,
            stage=pb.VerificationStage.ValueType(stage),
            cursor=cursor,
            until_key=until,
            depth=pb.VerificationDepth.ValueType(depth),
            lease_seconds=LEASE_SECONDS,
        )

    async def renew(self, shard: service.VerificationShard) -> float:
        """Renew the lease for LEASE_SECONDS, which is returned. Raises UploadSuperseded."""
        if not await self._database.transact(SYSTEM, lambda tx: tx.execute(_RENEW, _of(shard))):
            raise _superseded()
        return LEASE_SECONDS

    async def save(self, request: service.SaveShardRequest) -> None:
        """Save a step. Raises UploadSuperseded: somebody else has the shard, or the run has failed."""
        await self._database.transact(SYSTEM, lambda tx: _save(tx, request))

    async def release(self, shard: service.VerificationShard, failure: str) -> None:
        """Give the shard back: it is tried again after a growing pause, or fails the run."""

        async def work(tx: Transaction) -> None:
            row = await tx.fetch_one(_RELEASE, _of(shard))
            if row is not None and row[0] >= MOST_FAILURES:
                await tx.execute(_FAIL, {"id": UUID(shard.verification_id), "failure": failure})

        await self._database.transact(SYSTEM, work)

    async def run(self, run_id: str) -> pb.Verification:
        """A run with its counts so far; empty id: the last one. Raises NotFound."""
        which = "WHERE id = %(id)s" if run_id else "ORDER BY begun_at DESC LIMIT 1"
        query = f"SELECT {_COLUMNS} FROM verifications {which}"
        params = {"id": UUID(run_id)} if run_id else {}
        rows = await self._database.read(SYSTEM, query, params)
        if not rows:
            raise NotFound("There is no such verification: `strongroom verify` begins one.")
        run = _run(rows[0])
        of_run = {"id": UUID(run.id)}
        for packed, done in await self._database.read(SYSTEM, _SHARDS, of_run):
            run.shards, run.shards_done = run.shards + 1, run.shards_done + done
            _add(run.counts, pb.VerificationCounts.FromString(packed))
        for kind, count, size in await self._database.read(SYSTEM, _BY_KIND, of_run):
            run.findings.add(kind=pb.FindingKind.ValueType(kind), count=count, size_bytes=size)
        return run

    async def findings(self, run_id: str, after: int, limit: int) -> list[pb.Finding]:
        """The next findings, each with its number."""
        wanted = min(limit or FINDINGS_PAGE, LARGEST_FINDINGS_PAGE)
        params = {"id": UUID(run_id), "after": after, "limit": wanted}
        found = []
        for number, packed in await self._database.read(SYSTEM, _PAGE, params):
            finding = pb.Finding.FromString(packed)
            finding.number = number
            found.append(finding)
        return found


async def _save(tx: Transaction, request: service.SaveShardRequest) -> None:
    of_shard = _of(request.shard)
    row = await tx.fetch_one(_COUNTS, of_shard)
    if row is None:
        raise _superseded()
    counts = pb.VerificationCounts.FromString(row[0])
    _add(counts, request.counts)
    saved: Statement = (
        _SAVE,
        of_shard | {"cursor": request.cursor, "counts": counts.SerializeToString(), "done": request.done},
    )
    await tx.batch([saved, *(_found(of_shard["id"], finding) for finding in request.findings)])
    if request.moved:
        await tx.execute(*upkeep.follow_classes(_columns(request.moved)))
    # A failed run is not changed: its report may be signed. Of two shards that end together, the second sees
    # both.
    if await tx.fetch_one(_LOCK, {"id": of_shard["id"]}) is None:
        raise _superseded()
    if request.done:
        await tx.execute(_END, {"id": of_shard["id"]})


def _columns(moved: Sequence[service.KeyRow]) -> dict[str, object]:
    return {
        "owners": [row.owner_id for row in moved],
        "ids": [UUID(row.blob_id) for row in moved],
        "versions": [row.version_id for row in moved],
        "classes": [row.storage_class for row in moved],
    }


def _superseded() -> UploadSuperseded:
    return UploadSuperseded(
        "Another replica works on this part of the verification by now, or it has failed."
    )


def _found(run_id: object, finding: pb.Finding) -> Statement:
    return _FOUND, {
        "id": run_id,
        "kind": finding.kind,
        "size": finding.size_bytes,
        "finding": finding.SerializeToString(),
    }


def _of(shard: service.VerificationShard) -> dict[str, object]:
    return {"id": UUID(shard.verification_id), "number": shard.number, "epoch": shard.epoch}


def _shards(run_id: UUID, bounds: Sequence[str]) -> list[Statement]:
    ends = [*bounds, ""]
    starts = ["", *bounds]
    rows = [(pb.VERIFICATION_STAGE_OBJECTS, *ends) for ends in zip(starts, ends, strict=True)]
    rows += [(stage, "", "") for stage in _SINGLE]
    return [
        (_ADD_SHARD, {"id": run_id, "number": number, "stage": stage, "cursor": cursor, "until": until})
        for number, (stage, cursor, until) in enumerate(rows, 1)
    ]


def _add(total: pb.VerificationCounts, more: pb.VerificationCounts) -> None:
    for field, value in more.ListFields():
        setattr(total, field.name, getattr(total, field.name) + value)


def _run(row: Row) -> pb.Verification:
    run_id, state, depth, installation, revision, begin, end, begun_at, ended_at, failure = row
    run = pb.Verification(
        id=str(run_id),
        state=pb.VerificationState.ValueType(state),
        depth=pb.VerificationDepth.ValueType(depth),
        installation_id=str(installation),
        schema_revision=revision,
        begin_position=begin,
        end_position=end,
        begin_time=to_proto(begun_at),
        failure=failure,
    )
    if ended_at is not None:
        run.end_time.CopyFrom(to_proto(ended_at))
    return run
