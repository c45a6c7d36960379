"""The required cases: 96 crash points, 134 cells of S3 and 84 of Postgres, from the JSON files beside this
module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

_FOLDER: Final = Path(__file__).parent


class StoreCell(NamedTuple):
    """One S3 request and its fault."""

    operation: str
    fault: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.fault}"


class DatabaseCell(NamedTuple):
    """One transaction (by its name in docs/consistency.md) and its fault."""

    transaction: str
    fault: str

    def __str__(self) -> str:
        return f"{self.transaction}-{self.fault}"


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((_FOLDER / name).read_text())
    return rows


CRASH_POINTS: Final = tuple(row["id"] for row in _read("crash_points.json"))
STORE_CELLS: Final = tuple(StoreCell(row["op"], row["fault"]) for row in _read("s3_matrix.json"))
DATABASE_CELLS: Final = tuple(DatabaseCell(row["txn"], row["fault"]) for row in _read("pg_matrix.json"))
