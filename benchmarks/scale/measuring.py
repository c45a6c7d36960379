"""Measures the operations on one database, one after the other."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg

from benchmarks.scale.fill import WHALE
from benchmarks.scale.operations import Operation, UseCases, operations
from benchmarks.scale.plans import Listener, Statement, explaining_pool
from metadata_service.db.database import SYSTEM, Database
from metadata_service.events.reader import Position

ROUNDS: Final = 21
_WARM_UP: Final = 4
_SIZES: Final = """
SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_MIDDLE: Final = "SELECT xid::text, id FROM events WHERE owner_id = %s ORDER BY xid, id OFFSET %s LIMIT 1"


@dataclass(frozen=True)
class Measured:
    """One operation: its fastest round (least affected by other load), the median number of pages, and the
    statements of the last round.
    """

    statements: int
    milliseconds: float
    pages: float
    read: float
    last: Sequence[Statement]


async def measure(listener: Listener, operation: Operation, rounds: int) -> Measured:
    """Time and pages as reported by Postgres, of all statements of a round."""
    played: list[list[Statement]] = []
    for _ in range(_WARM_UP + rounds):
        needed = await operation.prepare() if operation.prepare else None
        with listener.listening() as heard:
            await operation.act(needed)
        played.append(list(heard))
    counted = played[_WARM_UP:]
    return Measured(
        statements=round(statistics.median(len(one) for one in counted)),
        milliseconds=min(sum(told.milliseconds for told in one) for one in counted),
        pages=statistics.median(sum(told.pages for told in one) for one in counted),
        read=statistics.median(sum(told.read for told in one) for one in counted),
        last=played[-1],
    )


def sizes(superuser: str) -> tuple[int, int]:
    """The sizes of all tables and of all their indexes, in bytes."""
    with psycopg.connect(superuser) as connection:
        found = connection.execute(_SIZES).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


async def make_rows_to_copy(app: str) -> None:
    """Create one row of each kind like a caller. ``app``: the login of the service's role."""
    async with explaining_pool(app) as (pool, _):
        use = UseCases(Database(pool))
        await use.upload("template")
        await use.upload("template", generation=True)
        await use.open_session("template")


async def measured(app: str, count: int, rounds: int = ROUNDS) -> dict[str, Measured]:
    """Measure each operation in a database of ``count`` rows."""
    async with explaining_pool(app) as (pool, listener):
        database = Database(pool)
        ((xid, number),) = await database.read(SYSTEM, _MIDDLE, (WHALE, count // 4))
        read = Position(int(xid), number, datetime.now(UTC))
        wanted = operations(UseCases(database), count // 20 * 10, read)
        return {one.name: await measure(listener, one, rounds) for one in wanted}
