"""The connection pool: how each connection is set up, and how long anything may wait."""

from __future__ import annotations

from typing import TypeAlias

from psycopg import AsyncConnection
from psycopg.types.numeric import Int8BinaryDumper
from psycopg_pool import AsyncConnectionPool

from metadata_service.config import PoolOptions
from metadata_service.database import Pool, Row

Connection: TypeAlias = AsyncConnection[Row]


def make_pool(url: str, options: PoolOptions) -> Pool:
    """A closed pool; `async with` opens it. Connections are in autocommit mode: `Database` sends BEGIN
    itself.
    """

    async def configure(connection: Connection) -> None:
        # Numbers always travel as bigint: the driver would else choose by size, and prepare a statement for
        # each mix.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        await connection.execute(
            "SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', %s, false),"
            " set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            (_milliseconds(options.statement), _milliseconds(options.lock), _milliseconds(options.idle)),
        )

    return AsyncConnectionPool(
        url,
        kwargs={
            "autocommit": True,
            "prepare_threshold": 0,
            "connect_timeout": max(2, round(options.connect)),
            "application_name": "strongroom-metadata",
        },
        min_size=options.min_size,
        max_size=options.max_size,
        timeout=options.wait,
        configure=configure,
        open=False,
        name="metadata",
    )


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
