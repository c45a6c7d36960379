"""Taking a connection of the pool for one transaction, and giving it back."""

from __future__ import annotations

from typing import TypeAlias

from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from metadata_service.db.exchange import ExchangeConnection
from metadata_service.db.metrics import DatabaseMetrics

Pool: TypeAlias = AsyncConnectionPool[ExchangeConnection]


class Borrowed:
    """A connection of the pool; one that is not idle at the end (cancelled, broken) is closed."""

    def __init__(self, pool: Pool, metrics: DatabaseMetrics) -> None:
        self._pool = pool
        self._timed = metrics.round_trip

    async def __aenter__(self) -> ExchangeConnection:
        self._connection = await self._pool.getconn()
        self._connection.timed = self._timed
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            await self._connection.close()
        await self._pool.putconn(self._connection)
