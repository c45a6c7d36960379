"""A verification with many rows: time and memory of the comparing process, of metadata_service and of
Postgres.

Also the cost per inserted row of the policy that blocks erased users.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import psycopg

from benchmarks import rows
from benchmarks.report import Result
from benchmarks.samples import Sample, interleaved
from benchmarks.workbench import Workbench

#: Rows inserted at once, and users erased before.
ADDED: Final = 20_000
ERASED: Final = 10_000
ROUNDS: Final = 5
_ADD: Final = """
INSERT INTO events (owner_id, type, subject_id, payload)
SELECT %(owner)s, 1, 's', '{}'::jsonb FROM generate_series(1, %(count)s)
"""
_ERASURES: Final = """
INSERT INTO erasures (id, owner_sha256, begin_position, ended_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), '0/0', now() FROM generate_series(1, %s) AS n
"""


def run(bench: Workbench) -> Result:
    """Measure one run of depth ``listings`` over all rows, and the inserts."""
    _, many = bench.scale.list_rows
    bench.user += "-verify"
    key = bench.upload_http(1024)
    dsn = bench.stack.dsn
    rows.fill_stack(dsn, key, many - 1)
    with psycopg.connect(
        dsn, autocommit=True
    ) as connection:  # the stack's own storage_service does not take part
        connection.execute("UPDATE storage_replicas SET drained_at = now()")
    found: list[dict[str, Any]] = []
    measured = interleaved({f"verify, {many:,} rows": lambda: _pass(bench, found)}, 1)
    last = found[-1]
    if (last["state"], last["findings"]) != ("VERIFICATION_STATE_FINISHED", 0):
        raise RuntimeError(f"the verification is not right: {last}")
    result = Result("verify", "A verification by listings", "object", list(measured.values()))
    told = f"{last['rows']:,} rows and {last['objects']:,} listed versions in {last['seconds']:.0f} s"
    result.notes = [f"{told}, {last['shards']} parts, one after the other.", *_policy(dsn, bench.user)]
    return result


def _pass(bench: Workbench, found: list[dict[str, Any]]) -> Sample:
    told = bench.stack
    [secrets] = Path(bench.folder).rglob("secrets.json")
    environ = os.environ | {"BENCH_INTERNAL_SECRET": json.loads(secrets.read_text())["internal_secret"]}
    argv = [sys.executable, "-m", "benchmarks.verify_pass", told.dsn, told.metadata_address]
    with subprocess.Popen(
        argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pids = {"storage": process.pid, "metadata": told.pids["metadata"], "postgres": told.pids["postgres"]}

        def done() -> None:
            if process.stdout is None:
                raise RuntimeError("its output is a pipe")
            found.append(json.loads(process.stdout.readline()))

        sample = bench.measure(pids, bench.scale.list_rows[1], done)
        process.communicate()
    if process.returncode:
        raise RuntimeError("the verification has failed")
    return sample


def _policy(dsn: str, owner: str) -> list[str]:
    """Insert with the service's role, with and without the policy."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_ERASURES, (ERASED,))
        connection.execute("ANALYZE erasures")
        definition = connection.execute(
            "SELECT with_check FROM pg_policies WHERE tablename = 'events' AND policyname = 'not_erased'"
        ).fetchone()
        if definition is None:
            raise RuntimeError("events has no policy not_erased")
        with_it = _added(connection, owner)
        plan = _plan(connection, owner)
        connection.execute("DROP POLICY not_erased ON events")
        without = _added(connection, owner)
        connection.execute(
            f"CREATE POLICY not_erased ON events AS RESTRICTIVE FOR INSERT WITH CHECK ({definition[0]})"
        )
    cost = (with_it - without) / ADDED * 1e6
    told = f"The policy `not_erased`, {ERASED:,} erased users: {cost:.2f} µs for each added row"
    return [f"{told} ({with_it / ADDED * 1e6:.1f} with it, {without / ADDED * 1e6:.1f} without; {plan})."]


def _added(connection: psycopg.Connection, owner: str) -> float:
    """Seconds for ADDED rows with the service's role; the rows are rolled back."""
    seconds = []
    for _ in range(ROUNDS):
        with connection.transaction(force_rollback=True):
            _as_service(connection, owner)
            began = perf_counter()
            connection.execute(_ADD, {"owner": owner, "count": ADDED})
            seconds.append(perf_counter() - began)
    return median(seconds)


def _plan(connection: psycopg.Connection, owner: str) -> str:
    """How the policy checks whether the owner is being erased."""
    with connection.transaction(force_rollback=True):
        _as_service(connection, owner)
        lines = connection.execute(f"EXPLAIN {_ADD}", {"owner": owner, "count": ADDED}).fetchall()
    scans = [line.strip() for (line,) in lines if " on erasures" in line]
    return "; ".join(scans) or "no scan of erasures"


def _as_service(connection: psycopg.Connection, owner: str) -> None:
    connection.execute("SET LOCAL ROLE strongroom_app")
    connection.execute("SELECT set_config('app.uid', %s, true)", (owner,))
