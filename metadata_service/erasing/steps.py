"""The steps of an erasure, and what is left after them.

Each step is a bounded piece of work in a transaction that sees only the owner's rows.

The rows determine what is left, so a crash is a step not taken. The order follows the dependencies: attempts
and saves are given up first, so that nothing new becomes visible; objects are removed by the cleaner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from metadata_service.blobs import erasing as blobs
from metadata_service.config import Timing
from metadata_service.db.database import Transaction
from metadata_service.db.timestamps import to_proto
from metadata_service.projects import removal
from metadata_service.projects.endings import give_up
from metadata_service.sessions import housekeeping
from strongroom.metadata.v1.admin_service_pb2 import ErasureCounts, ErasureRest


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner who is erased."""

    id: str
    timing: Timing


Step: TypeAlias = Callable[[Transaction, Owner], Awaitable[tuple[ErasureCounts, int]]]
"""Runs in a transaction of `erasing(owner)`. Returns what it has erased, and the number of rows changed; 0:
nothing is left.
"""

BATCH: Final = 500
#: Tables whose rows nothing else refers to, by the field that counts them.
PLAIN: Final = {
    "events": "events",
    "idempotency_keys": "answers",
    "usage": "other_rows",
    "generation_tallies": "other_rows",
    "quotas": "other_rows",
    "link_epochs": "other_rows",
    "shares": "other_rows",
    "webhook_deliveries": "other_rows",
    "webhooks": "other_rows",
    "admin_act_owners": "other_rows",
    "revisions": "other_rows",  # last, because removing the others raises the revision
}
#: Rows removed with a row that they refer to (ON DELETE CASCADE): the parent's table, and the columns with
#: its key.
PARENTS: Final = {
    "generations": ("files", "file_id", "id"),
    "event_media": ("files", "file_id", "id"),
    "project_versions": ("projects", "project_id", "id"),
    "project_files": ("projects", "project_id", "id"),
    "project_save_files": ("project_saves", "save_id", "id"),
    "session_parts": ("upload_sessions", "blob_id", "blob_id"),
    "scans": ("blobs", "blob_id", "id"),
    "archive_restores": ("blobs", "blob_id", "id"),
}
WITH_OTHERS: Final = tuple(PARENTS)
#: Tables with steps of their own, or cleaned by the cleaner.
BY_STEPS: Final = ("blobs", "files", "projects", "project_saves", "project_keys", "upload_sessions")
#: The row that says that the erasure is running.
ITSELF: Final = "erasures"

_PLAIN_BATCH: Final = 5000
_SAVE: Final = """
SELECT projects.slug, projects.id, saves.id FROM project_saves AS saves
JOIN projects ON projects.owner_id = saves.owner_id AND projects.id = saves.project_id
WHERE saves.owner_id = %(owner)s LIMIT 1 FOR UPDATE
"""
_PROJECT: Final = """
SELECT slug, (SELECT count(*) FROM project_versions AS versions
    WHERE versions.owner_id = projects.owner_id AND versions.project_id = projects.id),
    (SELECT count(*) FROM project_files AS files
    WHERE files.owner_id = projects.owner_id AND files.project_id = projects.id),
    (SELECT coalesce(sum(size_bytes), 0)::bigint FROM project_files AS files
    WHERE files.owner_id = projects.owner_id AND files.project_id = projects.id)
FROM projects WHERE owner_id = %(owner)s AND version > 0 LIMIT 1
"""
_UNSAVED: Final = "DELETE FROM projects WHERE owner_id = %(owner)s AND version = 0"
_SESSIONS: Final = "DELETE FROM upload_sessions WHERE owner_id = %(owner)s AND swept_at IS NOT NULL"
# A key that was checked stays for late requests; one of a deleted project stays for a restore.
_HASTEN_KEYS: Final = """
UPDATE project_keys SET not_before = now()
WHERE owner_id = %(owner)s AND attempts = 0
    AND not_before > greatest(now(), touched_at + make_interval(secs => %(grace)s))
"""


async def _attempts(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    rows = await tx.fetch(blobs.SHUT_OUT_ALL, {"owner": owner.id, "limit": BATCH})
    size = sum(row[0] for row in rows)
    return ErasureCounts(attempts=len(rows), objects=len(rows), object_bytes=size), len(rows)


async def _saves(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    row = await tx.fetch_one(_SAVE, {"owner": owner.id})
    if row is None:
        return ErasureCounts(), 0
    slug, project_id, save_id = row
    await give_up(tx, owner.id, slug, project_id, save_id)
    return ErasureCounts(attempts=1), 1


async def _projects(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    row = await tx.fetch_one(_PROJECT, {"owner": owner.id})
    if row is None:
        return ErasureCounts(), await tx.execute(_UNSAVED, {"owner": owner.id})
    slug, versions, objects, size = row
    await removal.remove(tx, owner.id, slug, replace(owner.timing, read_grace=0.0, restore_window=0.0))
    return ErasureCounts(projects=1, project_versions=versions, objects=objects, object_bytes=size), 1


async def _sessions(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    """Segments go to the cleaner, which also looks for what signed requests may still bring."""
    await housekeeping.sweep(tx, owner.id, owner.timing)
    gone = await tx.execute(_SESSIONS, {"owner": owner.id})
    return ErasureCounts(upload_sessions=gone), gone


async def _files(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    rows = await tx.fetch(blobs.DELETE_FILES, {"owner": owner.id, "limit": BATCH, "grace": 0.0})
    size = sum(row[0] for row in rows)
    return ErasureCounts(files=len(rows), objects=len(rows), object_bytes=size), len(rows)


async def _loose(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    rows = await tx.fetch(blobs.DELETE_LOOSE, {"owner": owner.id, "limit": BATCH, "grace": 0.0})
    return ErasureCounts(objects=len(rows), object_bytes=sum(row[0] for row in rows)), len(rows)


async def _hasten(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
    params = {"owner": owner.id, "grace": owner.timing.tombstone_grace}
    await tx.batch([(blobs.HASTEN, params), (_HASTEN_KEYS, params)])
    return ErasureCounts(), 0


def _without(table: str, parent: str, column: str, named: str) -> Step:
    """Remove rows that have lost their parent: no cascade reaches them, so they would be left for ever."""
    lost = f"""AND NOT EXISTS (
        SELECT FROM {parent} AS parent
        WHERE parent.owner_id = {table}.owner_id AND parent.{named} = {table}.{column})
"""
    return _plain(table, "other_rows", lost)


def _plain(table: str, counted_as: str, which: str = "") -> Step:
    statement = f"""
DELETE FROM {table} WHERE owner_id = %(owner)s {which}
    AND ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE owner_id = %(owner)s {which} LIMIT {_PLAIN_BATCH}))
"""

    async def step(tx: Transaction, owner: Owner) -> tuple[ErasureCounts, int]:
        gone = await tx.execute(statement, {"owner": owner.id})
        return ErasureCounts(**{counted_as: gone}), gone

    return step


STEPS: Final[tuple[Step, ...]] = (
    *(_attempts, _saves, _projects, _sessions, _files),
    *(_without(table, *parent) for table, parent in PARENTS.items()),
    *(_loose, _hasten),
    *(_plain(table, counted_as) for table, counted_as in PLAIN.items()),
)


TABLES: Final = (*BY_STEPS, *WITH_OTHERS, *PLAIN)
_ANYTHING: Final = "\nUNION ALL ".join(
    f"(SELECT '{table}' FROM {table} WHERE owner_id = %(owner)s LIMIT 1)" for table in TABLES
)
_ROWS: Final = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {table} WHERE owner_id = %(owner)s)"
    for table in TABLES
    if table not in {"blobs", "project_keys"}
)
_KEYS: Final = "SELECT count(*), max(not_before) FROM project_keys WHERE owner_id = %(owner)s"


async def nothing_is_left(tx: Transaction, owner_id: str) -> bool:
    """Whether no table has a row of the owner."""
    return await tx.fetch_one(_ANYTHING, {"owner": owner_id}) is None


async def what_is_left(tx: Transaction, owner_id: str) -> ErasureRest:
    """Counts of what is left, and when the last of it is due."""
    params = {"owner": owner_id}
    [of_blobs], [keys], [rows] = await tx.fetch_batch(
        [(blobs.REST, params), (_KEYS, params), (_ROWS, params)]
    )
    objects, tombstones, failing, due = of_blobs
    rest = ErasureRest(objects=objects, tombstones=tombstones, failing=failing, keys=keys[0], rows=rows[0])
    moments = [moment for moment in (due, keys[1]) if moment is not None]
    if moments:
        rest.due_time.CopyFrom(to_proto(max(moments)))
    return rest
