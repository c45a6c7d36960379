"""Statements of every claim and sweep use an index, however many rows there are."""

from __future__ import annotations

import time
import uuid
from itertools import pairwise
from typing import Any, Final

import psycopg
import pytest

from metadata_service import archived, backlog, idempotency
from metadata_service.attempts import cleaning
from metadata_service.blobs import claims, scans, scrubs
from metadata_service.db import rotation
from metadata_service.events import outbox
from metadata_service.files import ending, media
from metadata_service.projects import endings
from metadata_service.projects import keys as project_keys
from metadata_service.sessions import housekeeping
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world

ROWS: Final = 30_000
SEED: Final = (
    f"""
    INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec, object_metadata,
        reserved_bytes, reserved_files, lease_expires_at, not_before, size_bytes, crc32c)
    SELECT 'user' || n % 500, gen_random_uuid(), CASE WHEN n % 1000 < 4 THEN 1 + n % 1000 WHEN n % 1000 < 6
        THEN n % 1000 ELSE 3 END, 1, 1, 'key/' || n, n % 3 = 0, '', '', '{{}}', 0, 0, now() + interval '1 h',
        now() + interval '1 h', 1, 1
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO events (owner_id, type, subject_id, payload, created_at)
    SELECT 'user' || n % 500, 1, n::text, '{{}}', now() - n * interval '4 s'
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO idempotency_keys (owner_id, request_id, fingerprint, blob_id, reply, expires_at)
    SELECT 'user' || n % 500, n::text, '', gen_random_uuid(), CASE WHEN n % 2 = 0 THEN ''::bytea END,
        now() + (n - 5000) * interval '4 s'
    FROM generate_series(1, {ROWS}) AS n
    """,
    """
    INSERT INTO files (owner_id, id, family, key, blob_id, filename, content_type, size_bytes, etag,
        generation, crc32c, metadata, visibility, expires_at)
    SELECT owner_id, gen_random_uuid(), 1, key, id, 'a', CASE WHEN key > 'key/2' THEN 'image/png' ELSE '' END,
        1, '', 1, 1, '{}', 1,
        CASE WHEN crc32c > 0 AND key < 'key/101' THEN now() + interval '1 h' END
    FROM blobs WHERE state = 3
    """,
    "INSERT INTO scans (owner_id, blob_id, outcome, scanned_at) SELECT owner_id, id, 1, now() FROM blobs",
    "ANALYZE",
)
STATEMENTS: Final[dict[str, str]] = {
    "expire": claims.EXPIRE_SILENT,
    "claim completing": claims.CLAIM_COMPLETING,
    "claim due": claims.CLAIM_DUE,
    "kept bytes": claims.KEPT,
    "ended temporary files": ending.OLDEST_TEMPORARY,
    "visit owners of temporary files": ending.VISIT_TEMPORARY,
    "ended temporary files of owners": ending.TEMPORARY_OF_OWNERS,
    "files out of the trash": ending.OLDEST_TRASHED,
    "visit owners of the trash": ending.VISIT_TRASHED,
    "files out of the trash of owners": ending.TRASHED_OF_OWNERS,
    "settled keys": claims.SETTLED_KEYS,
    "recorded versions": claims.RECORDED_VERSIONS,
    "forget answers": idempotency._FORGET,
    "forget events": outbox._FORGET,
    "expire partials": housekeeping._EXPIRE_PARTIALS,
    "sweep sessions": housekeeping._SWEEP,
    "forget sessions": housekeeping._FORGET,
    "silent saves": endings._SILENT,
    "visit owners of what is due": claims.VISIT_DUE,
    "claim due of owners": claims.CLAIM_DUE_OF_OWNERS,
    "claim project keys": project_keys.OLDEST,
    "visit owners of project keys": project_keys.VISITED,
    "claim project keys of owners": project_keys.OF_OWNERS,
    "claim restores": archived.OLDEST,
    "visit owners of restores": archived.VISITED,
    "claim restores of owners": archived.OF_OWNERS,
    "claim media": media.OLDEST,
    "visit owners of media": media.VISITED,
    "claim media of owners": media.OF_OWNERS,
    "claim scans": scans.OLDEST,
    "visit owners of scans": scans.VISITED,
    "claim scans of owners": scans.OF_OWNERS,
    "claim scrubs": scrubs.CLAIM,
    "attempts for metrics": backlog.OPEN_ATTEMPTS,
    "due for metrics": backlog.DUE,
    "events for metrics": backlog.OLDEST_EVENT,
}
VALUES: Final[dict[str, Any]] = {
    "limit": 50,
    "begin": uuid.UUID(int=1 << 127),
    "claim": 30.0,
    "window": 604_800.0,
    "keep": 86_400.0,
    "grace": 3600.0,
    "owner": "",
    "slug": "",
    "key": "key/3",
    "versions": [f"v{n}" for n in range(1000)],
    "keys": [f"key/{n}" for n in range(1, 1001)],
    "after": "user1",
    "owners": ["user2", "user3"],
    "without": ["user4"],
    "most": 64,
    "each": 1,
    "pause": 60.0,
    "older": ["", "ClamAV 1.4.6/9"],
}
#: Claims over all owners, half of them by turns: their index finds the next row in one step.
BY_INDEX: Final = {
    "claim due": "blobs_due",
    "visit owners of what is due": "blobs_due_by_owner",
    "claim due of owners": "blobs_due_by_owner",
    "claim project keys": "project_keys_due",
    "visit owners of project keys": "project_keys_due_by_owner",
    "claim project keys of owners": "project_keys_due_by_owner",
    "claim restores": "archive_restores_due",
    "visit owners of restores": "archive_restores_due_by_owner",
    "claim restores of owners": "archive_restores_due_by_owner",
    "claim media": "files_unread",
    "visit owners of media": "files_unread_by_owner",
    "claim media of owners": "files_unread_by_owner",
    "claim scans": "scans_due",
    "visit owners of scans": "scans_due_by_owner",
    "claim scans of owners": "scans_due_by_owner",
    "claim scrubs": "blobs_scrub",
    "ended temporary files": "files_expiring",
    "visit owners of temporary files": "files_ending",
    "ended temporary files of owners": "files_ending",
    "files out of the trash": "files_out_of_trash",
    "visit owners of the trash": "files_leaving_trash",
    "files out of the trash of owners": "files_leaving_trash",
}
#: The time at which a row is due is a bound of the index, not a filter on the rows read: most rows are not
#: due.
BOUND_BY: Final = {"claim media": "media_after", "claim scans": "scan_after", "claim scrubs": "scrub_after"}
#: Tables that grow; the others only contain work in progress.
GROWING: Final = ("blobs", "events", "files", "idempotency_keys", "scans")


@pytest.fixture(scope="module")
def grown(module_database: Logins) -> Logins:
    """A database with tens of thousands of rows, few of which are due."""
    with psycopg.connect(module_database.owner, autocommit=True) as connection:
        connection.execute("SET app.scope = 'system'")
        for statement in SEED:
            connection.execute(statement)
    return module_database


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_table_that_grows_is_read_whole(grown: Logins, name: str) -> None:
    plan = planned(grown, name)
    whole = [line for line in plan if any(f"Seq Scan on {table}" in line for table in GROWING)]
    assert whole == [], "\n".join(plan)


@pytest.mark.parametrize("name", BY_INDEX)
def test_what_is_next_is_one_step_in_an_index(grown: Logins, name: str) -> None:
    plan = planned(grown, name)
    above = [before for before, line in pairwise(plan) if f"Scan using {BY_INDEX[name]} on" in line]
    assert above, "\n".join(plan)
    steps = [line.lstrip(" ->").startswith(("Limit", "LockRows")) for line in above]
    assert all(steps), "\n".join(plan)


@pytest.mark.parametrize("name", BOUND_BY)
def test_what_is_not_due_is_not_read(grown: Logins, name: str) -> None:
    plan = planned(grown, name)
    bounds = [line.split()[0] for line in plan if f"{BOUND_BY[name]} " in line and "Cond" in line]
    assert bounds == ["Index", "Index"], "\n".join(plan)
    assert [line for line in plan if "Filter" in line and BOUND_BY[name] in line] == [], "\n".join(plan)


async def test_a_thousand_answers_and_events_are_forgotten_at_a_time(grown: Logins) -> None:
    async with make_world(grown) as world:
        before = _left(world)
        began = time.monotonic()
        for _ in range(3):
            _, moved = await world.cleaning.claim(50)
            assert moved >= 2 * cleaning.FORGET_BATCH
        assert time.monotonic() - began < 3 * cleaning.FORGET_BATCH / 50
        assert [was - now for was, now in zip(before, _left(world), strict=True)] == [3000, 3000]


def planned(grown: Logins, name: str) -> list[str]:
    """The lines of the plan for the service's role."""
    statement = STATEMENTS[name]
    values: Any = VALUES if "%(" in statement else (50,) if "%s" in statement else None
    with psycopg.connect(grown.app) as connection:
        connection.execute("SELECT set_config('app.scope', 'system', false)")
        if name in BY_INDEX:
            connection.execute(rotation.BY_INDEX[0])
        plan = [row[0] for row in connection.execute("EXPLAIN " + statement, values)]
        connection.rollback()
    return plan


def _left(world: World) -> list[int]:
    counts = (world.logins.rows(f"SELECT count(*) FROM {name}") for name in ("events", "idempotency_keys"))
    return [int(rows[0][0]) for rows in counts]
