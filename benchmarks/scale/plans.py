"""Postgres' report on each statement that a use case runs: its plan, its time, the pages it reads."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from metadata_service.config import PoolOptions
from metadata_service.db.pool import Pool, make_pool

#: Set for a database by its superuser: sessions report each finished statement to their client.
_SETTINGS: Final = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "track_io_timing": "on",
}
_TOLD: Final = re.compile(r"duration: ([\d.]+) ms\s+plan:\s*(\{.*\})\s*$", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """A finished statement. ``pages``: of 8 KiB, cached or not; ``read``: those that were not cached.

    ``milliseconds``: without waits for reading and writing.
    """

    query: str
    milliseconds: float
    pages: int
    read: int
    plan: dict[str, Any]

    @classmethod
    def of(cls, duration: str, told: str) -> Statement:
        """Parse the output of auto_explain."""
        found = json.loads(told)
        plan = found["Plan"]
        read = plan.get("Shared Read Blocks", 0)
        waited = plan.get("Shared I/O Read Time", 0.0) + plan.get("Shared I/O Write Time", 0.0)
        return cls(
            query=found.get("Query Text", ""),
            milliseconds=float(duration) - waited,
            pages=plan.get("Shared Hit Blocks", 0) + read,
            read=read,
            plan=plan,
        )

    def lines(self) -> Iterator[str]:
        """The plan: operations, indexes, numbers of rows."""
        return _lines(self.plan, 0)


def explain_all(superuser: str, database: str) -> None:
    """Make Postgres report all statements in this database, from the next connection on."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        for name, value in _SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(database),
                    sql.SQL(".").join(map(sql.Identifier, name.split("."))),
                    sql.Literal(value),
                )
            )


class Listener:
    """Receives the notices of a pool's connections."""

    def __init__(self) -> None:
        self._heard: list[Statement] = []

    def hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice of a connection."""
        if found := _TOLD.search(diagnostic.message_primary or ""):
            self._heard.append(Statement.of(*found.groups()))

    @contextmanager
    def listening(self) -> Iterator[list[Statement]]:
        """The statements run inside the block."""
        self._heard = []
        yield self._heard


@asynccontextmanager
async def explaining_pool(dsn: str) -> AsyncIterator[tuple[Pool, Listener]]:
    """A pool of one connection with a listener."""
    listener = Listener()
    async with make_pool(dsn, PoolOptions(min_size=1, max_size=1)) as pool:
        async with pool.connection() as connection:
            connection.add_notice_handler(listener.hear)
        yield pool, listener


def _lines(node: dict[str, Any], depth: int) -> Iterator[str]:
    where = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name") or ""
    loops = node.get("Actual Loops", 1)
    rows = node.get("Actual Rows", 0) * loops
    yield f"{'  ' * depth}{node['Node Type']}{f' {where}' if where else ''} ({rows:.0f} rows)"
    for below in node.get("Plans", ()):
        yield from _lines(below, depth + 1)
