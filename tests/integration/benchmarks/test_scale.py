"""The operations measured in docs/scale.md, on few rows: each works, and none reads a whole table."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from benchmarks.scale.fill import DUE, fill
from benchmarks.scale.measuring import make_rows_to_copy, measured
from benchmarks.scale.plans import explain_all
from tests.databases import Logins

ROWS: Final = 5 * DUE // 2
#: Here so many events and answers have expired that reading all of them is as good; see test_plans.py.
GROWING: Final = ("blobs", "files", "scans")


async def test_no_operation_reads_a_table_whole(module_database: Logins) -> None:
    await make_rows_to_copy(module_database.app)
    fill(module_database.superuser, ROWS, past=2000)
    explain_all(module_database.superuser, urlsplit(module_database.superuser).path.lstrip("/"))
    found = await measured(module_database.app, ROWS, rounds=1)
    whole = tuple(f"Seq Scan {table} " for table in GROWING)
    for name, one in found.items():
        lines = [line.strip() for statement in one.last for line in statement.lines()]
        assert [line for line in lines if line.startswith(whole)] == [], name
        assert one.pages > 0, name
    lines = [line for statement in found["GET of a file"].last for line in statement.lines()]
    assert any("Index Scan files_by_key (1 rows)" in line for line in lines), lines
