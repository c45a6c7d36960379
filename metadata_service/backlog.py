"""Metrics of what waits in the tables. One replica reads them every few seconds; a scrape never does.

One round trip sends statements that use an index and stop after MOST rows, so that a backlog of millions
costs no more than a small one. A lock held by a connection (`Turn`) decides which replica reads: if that
replica dies, its connection ends and another one takes over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from metadata_service.blobs.states import (
    ABORTING,
    COMPLETING,
    DELETING,
    GONE,
    OPEN,
    PENDING,
    TO_CLEAN,
)
from metadata_service.db.database import SYSTEM, Database, Statement, Transaction
from metadata_service.db.turn import Turn
from metadata_service.webhooks import metrics
from servicekit import background
from servicekit.background import BackgroundLoop, Heartbeats
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STATE_FINISHED

LOOK_SECONDS: Final = 15.0
#: Rows are counted up to this number; a value of MOST may mean more.
MOST: Final = 10_000
#: Values older than this are not shown.
STALE_SECONDS: Final = 4 * LOOK_SECONDS

STATES: Final[Mapping[int, str]] = {
    PENDING: "pending",
    COMPLETING: "completing",
    DELETING: "deleting",
    ABORTING: "aborting",
    GONE: "gone",
}
OPEN_ATTEMPTS: Final = f"""
SELECT state, count(*), count(*) FILTER (WHERE lease_expires_at <= now()),
    coalesce(extract(epoch FROM now() - min(lease_expires_at)), 0)::float8
FROM (SELECT state, lease_expires_at FROM blobs WHERE state IN {OPEN} LIMIT {MOST}) AS open GROUP BY state
"""
DUE: Final = f"""
SELECT state, count(*), coalesce(extract(epoch FROM now() - min(not_before)), 0)::float8
FROM (
    SELECT state, not_before FROM blobs WHERE state IN {TO_CLEAN} AND not_before <= now()
    ORDER BY not_before LIMIT {MOST}
) AS due GROUP BY state
"""
_KEYS: Final = f"""
SELECT count(*), coalesce(extract(epoch FROM now() - min(not_before)), 0)::float8
FROM (SELECT not_before FROM project_keys WHERE not_before <= now() ORDER BY not_before LIMIT {MOST}) AS due
"""
OLDEST_EVENT: Final = """
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM events
"""
_SESSIONS: Final = f"""
SELECT count(*) FROM (SELECT FROM upload_sessions WHERE swept_at IS NULL LIMIT {MOST}) AS open
"""
_VERIFIED: Final = f"""
SELECT extract(epoch FROM max(ended_at))::float8 FROM (
    SELECT ended_at FROM verifications WHERE state = {VERIFICATION_STATE_FINISHED}
    ORDER BY begun_at DESC LIMIT 20
) AS last
"""
_ROWS: Final = """
SELECT relname::text, greatest(reltuples, 0)::bigint FROM pg_class
WHERE oid IN ('blobs'::regclass, 'files'::regclass, 'events'::regclass, 'idempotency_keys'::regclass,
    'project_files'::regclass)
"""
STATEMENTS: Final[tuple[Statement, ...]] = tuple(
    (text, ())
    for text in (
        *(OPEN_ATTEMPTS, DUE, _KEYS, OLDEST_EVENT, _SESSIONS, _VERIFIED, _ROWS),
        *(metrics.WAITING, metrics.COUNTS),
    )
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The results of STATEMENTS, in their order."""

    at: float
    answers: list[list[tuple[Any, ...]]]


class Backlog(Collector):
    """`look` runs in the background; `collect` shows its results, in the replica whose turn it is."""

    def __init__(self, database: Database, turn: Turn) -> None:
        self._database = database
        self._turn = turn
        self._seen: Answers | None = None

    def running(self, heartbeats: Heartbeats) -> AbstractAsyncContextManager[None]:
        """Read repeatedly until the block ends."""
        heartbeat = heartbeats.add("backlog", LOOK_SECONDS)
        return background.running(BackgroundLoop(self.look, heartbeat, rest_seconds=LOOK_SECONDS))

    async def look(self) -> bool:
        """Read once, if it is this replica's turn. Raises DatabaseUnavailable."""
        if not self._turn.ours:
            self._seen = None
            return False

        async def work(tx: Transaction) -> list[list[tuple[Any, ...]]]:
            return await tx.fetch_batch(STATEMENTS)

        self._seen = Answers(time.monotonic(), await self._database.transact(SYSTEM, work))
        return False

    def collect(self) -> Iterable[Metric]:
        """Nothing if another replica reads, or if the last results are old."""
        seen = self._seen
        if seen is None or not self._turn.ours or time.monotonic() - seen.at > STALE_SECONDS:
            return
        attempts, due, keys, events, sessions, verified, rows, hooks, states = seen.answers
        yield from _of_attempts(attempts)
        yield from _of_queues({STATES[state]: (count, age) for state, count, age in due}, keys[0])
        yield GaugeMetricFamily(
            "strongroom_events_oldest_age_seconds", "Age of the oldest event kept.", value=events[0][0]
        )
        yield GaugeMetricFamily(
            "strongroom_upload_sessions_open",
            "Resumable uploads that have not ended.",
            value=sessions[0][0],
        )
        if verified[0][0] is not None:
            yield GaugeMetricFamily(
                "strongroom_verify_last_finished_timestamp_seconds",
                "When the last complete verification finished.",
                value=verified[0][0],
            )
        table = GaugeMetricFamily(
            "strongroom_table_rows", "Rows of the table, as estimated by Postgres.", labels=("table",)
        )
        for name, count in rows:
            table.add_metric((name,), count)
        yield table
        yield from metrics.families(hooks[0], states)


def _of_attempts(found: Iterable[tuple[Any, ...]]) -> Iterable[Metric]:
    by_state = {STATES[state]: rest for state, *rest in found}
    of_open = GaugeMetricFamily(
        "strongroom_attempts_open", "Attempts in progress, by state.", labels=("state",)
    )
    lapsed = GaugeMetricFamily(
        "strongroom_attempts_lapsed",
        "Attempts in progress whose lease has expired, by state.",
        labels=("state",),
    )
    age = GaugeMetricFamily(
        "strongroom_attempts_lapsed_oldest_seconds",
        "Seconds since the oldest lease of an attempt in progress expired.",
        labels=("state",),
    )
    for name in (STATES[PENDING], STATES[COMPLETING]):
        count, silent, seconds = by_state.get(name, (0, 0, 0.0))
        of_open.add_metric((name,), count)
        lapsed.add_metric((name,), silent)
        age.add_metric((name,), max(0.0, seconds))
    return of_open, lapsed, age


def _of_queues(by_state: Mapping[str, tuple[int, float]], keys: tuple[int, float]) -> Iterable[Metric]:
    due = GaugeMetricFamily(
        "strongroom_cleaning_due", "Rows that the cleaner could process now, by queue.", labels=("queue",)
    )
    age = GaugeMetricFamily(
        "strongroom_cleaning_due_oldest_seconds",
        "Seconds for which the oldest row of the queue has been due.",
        labels=("queue",),
    )
    nothing = (0, 0.0)
    queues = {
        name: by_state.get(name, nothing) for name in (STATES[one] for one in (DELETING, ABORTING, GONE))
    }
    for name, (count, seconds) in {**queues, "project_keys": keys}.items():
        due.add_metric((name,), count)
        age.add_metric((name,), max(0.0, seconds))
    return due, age
