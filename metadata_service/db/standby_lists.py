"""The connection pool for lists that a standby answers, if the settings name one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from prometheus_client.registry import Collector

from metadata_service.config import MetadataSettings
from metadata_service.db.database import SYSTEM, Database
from metadata_service.db.metrics import DatabaseMetrics
from metadata_service.db.pool import Pool, make_pool
from metadata_service.db.standby import ANSWER_SECONDS, PRIMARY_POSITION, STANDBY_POSITION, Standby
from servicekit.background import Heartbeats


class StandbyLists:
    """Lists from the standby of the settings; does nothing if there is none."""

    def __init__(
        self, pool: Pool | None = None, standby: Standby | None = None, metrics: DatabaseMetrics | None = None
    ) -> None:
        self._pool, self._standby, self._metrics = pool, standby, metrics

    @classmethod
    def of(cls, settings: MetadataSettings, database: Database) -> StandbyLists:
        """Connect ``database`` with the standby of the settings, if there is one. Raises SettingError."""
        if settings.database_read_url is None:
            return cls()
        pool = make_pool(settings.database_read_url.get_secret_value(), settings.pool)
        metrics = DatabaseMetrics(of_standby=True)
        there = Database(pool, metrics=metrics)
        standby = Standby(
            lambda: _position(database, PRIMARY_POSITION),
            lambda: _position(there, STANDBY_POSITION, within=ANSWER_SECONDS),
            settings.database_read_lag_seconds,
        )
        database.with_standby(standby, there)
        return cls(pool, standby, metrics)

    @property
    def collectors(self) -> Sequence[Collector]:
        """Metrics of the standby, and of the connections to it."""
        return tuple(one for one in (self._standby, self._metrics) if one is not None)

    def wrote(self, owner_id: str) -> None:
        """Note that some process has committed a change of this owner's."""
        if self._standby is not None:
            self._standby.wrote(owner_id)

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Keep the pool open and the standby observed. Does not wait for a connection: without the standby
        the primary answers.
        """
        if self._pool is None or self._standby is None:
            yield
            return
        await self._pool.open(wait=False)
        try:
            async with self._standby.running(heartbeats):
                yield
        finally:
            await self._pool.close()


async def _position(database: Database, query: str, within: float | None = None) -> int | None:
    """The position of this server's log in bytes; None: it is not a standby."""
    ((position,),) = await database.read(SYSTEM, query, within=within)
    return None if position is None else int(position)
