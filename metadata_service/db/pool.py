"""The connection pool: configuration of each connection, time limits, and borrowing a connection for one
transaction.
"""

from __future__ import annotations

import logging
import time
from typing import Final, TypeAlias

from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from psycopg_pool import AsyncConnectionPool

from metadata_service.config import PoolOptions
from metadata_service.db.exchange import ExchangeConnection
from metadata_service.db.metrics import DatabaseMetrics
from servicekit.outages import Outage

Pool: TypeAlias = AsyncConnectionPool[ExchangeConnection]

#: Before Postgres 17 only the second one exists, which does not apply to statements sent as a pipeline.
_TRANSACTION_TIMEOUTS: Final = ("transaction_timeout", "idle_in_transaction_session_timeout")
#: How long a connection that refuses writes is kept.
YOUNG_SECONDS: Final = 3.0
#: How soon a server (since Postgres 14) stops work for a client that has disconnected, in milliseconds.
_CHECK_CALLER: Final = ("client_connection_check_interval", "1000")
_CONFIGURE: Final = """
SELECT set_config(name, value, {local}) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL
"""


def make_pool(url: str, options: PoolOptions) -> Pool:
    """A closed pool; `async with` opens it. Connections are in autocommit mode: `Database` sends BEGIN
    itself.

    Behind a pooler (``options.pooled``) the limits are set in each transaction, not once per connection.
    """
    limits, lines = _limits(options), _lines_of_driver()

    async def configure(connection: ExchangeConnection) -> None:
        # Integers always travel as bigint. psycopg would choose the type by size and prepare a statement for
        # each combination.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        if options.pooled:
            connection.is_pooled = True
            connection.opening = ((_CONFIGURE.format(local="true"), limits),)
        else:
            await connection.execute(_CONFIGURE.format(local="false").encode(), limits)
        connection.opened = time.monotonic()
        lines.outage.well()

    return AsyncConnectionPool(
        url,
        connection_class=ExchangeConnection,
        kwargs={
            "autocommit": True,
            "prepare_threshold": None,  # ExchangeConnection prepares by itself
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


class DriverLines(logging.Filter):
    """Replaces psycopg's log lines for each lost connection and each failed attempt to open one.

    It logs one line for each reason while no connection can be opened, and one when that works again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outage = Outage("database_connections_fail", "database_connects_again")

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter``."""
        told = record.getMessage()
        if told.startswith("discarding"):
            self.outage.failed("lost", reason="a connection was lost")
        elif told.startswith("error connecting"):
            reason = told.splitlines()[0]
            # After a restart the reason may differ (the password, too many connections); each has a line of
            # its own.
            self.outage.failed(reason.rpartition(" failed: ")[2], reason=reason)
        else:
            return True
        return False


def _lines_of_driver() -> DriverLines:
    """The filter of this process: psycopg has one logger for all pools."""
    logger = logging.getLogger("psycopg.pool")
    lines = next((one for one in logger.filters if isinstance(one, DriverLines)), None)
    if lines is None:
        lines = DriverLines()
        logger.addFilter(lines)
    return lines


def _limits(options: PoolOptions) -> tuple[list[str], list[str]]:
    """Names and values of the settings that limit each transaction."""
    names = ["TimeZone", "statement_timeout", "lock_timeout", *_TRANSACTION_TIMEOUTS, _CHECK_CALLER[0]]
    whole = _milliseconds(options.transaction)
    values = ["UTC", _milliseconds(options.statement), _milliseconds(options.lock), whole, whole]
    return names, [*values, _CHECK_CALLER[1]]


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


class Borrowed:
    """A connection borrowed from the pool. It is closed at the end if it is not idle (cancelled, broken), or
    if it may refuse writes by itself: a session keeps the default_transaction_read_only with which it began,
    and a server that was demoted keeps its connections, while a new one finds the new primary.
    """

    def __init__(self, pool: Pool, metrics: DatabaseMetrics) -> None:
        self._pool = pool
        self._timed = metrics.round_trip

    async def __aenter__(self) -> ExchangeConnection:
        self._connection = await self._pool.getconn()
        self._connection.timed = self._timed
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if self._connection.info.transaction_status != TransactionStatus.IDLE or self._is_outdated(error):
            await self._connection.close()
        await self._pool.putconn(self._connection)

    def _is_outdated(self, error: BaseException | None) -> bool:
        """Whether a new connection may take the write that this one has refused. Young ones are as good as
        new: while a server refuses all writes, few connections are opened.
        """
        refused = isinstance(error, ReadOnlySqlTransaction)
        refused = refused or (error is not None and isinstance(error.__cause__, ReadOnlySqlTransaction))
        return refused and time.monotonic() - self._connection.opened > YOUNG_SECONDS
