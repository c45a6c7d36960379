"""Lists from a standby of Postgres, never for a caller who has written what it does not have yet.

A loop notes where the primary's log stands, and asks the standby how far it has come: all that was committed
before the newest note that it has passed is there. A read goes to the standby when that moment is not further
back than the limit, and its owner has written nothing since. Whose writes these are tells this process's own
commits, and NOTIFY those of the others. Everything else, and what the standby fails at, is the primary's.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from servicekit import background
from servicekit.background import BackgroundLoop, Heartbeats
from strongroom.errors import DatabaseUnavailable

T = TypeVar("T")

#: So often the standby is looked at: its lag is seen that much too large.
LOOK_SECONDS: Final = 0.5
#: So long it may take to answer, whatever it is asked; then the primary does, within the caller's time. Lists
#: take milliseconds: who waits longer waits for a server that is frozen, or out of reach.
ANSWER_SECONDS: Final = 1.0
#: Notes of the primary's log that the standby has not come to yet. Older ones say too little.
MOST_NOTES: Final = 1000

Position: TypeAlias = int
"""In the log, bytes (``pg_lsn``)."""
Ask: TypeAlias = Callable[[], Awaitable[Position | None]]

PRIMARY_POSITION: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
STANDBY_POSITION: Final = "SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn"

_ADVICE: Final = (
    "STRONGROOM_DATABASE_READ_URL leads to a primary; let it lead to a streaming standby, or remove it."
)


class Standby(Collector):
    """How far the standby is, and whose reads it may answer.

    ``limit``: the most that it may be behind, seconds. ``primary``, ``standby``: where their logs stand;
    None: no standby answers there.
    """

    def __init__(
        self, primary: Ask, standby: Ask, limit: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._primary, self._standby = primary, standby
        self._limit = limit
        self._clock = clock
        self._notes: deque[tuple[float, Position]] = deque(maxlen=MOST_NOTES)
        self._covered: float | None = None
        self._written: dict[str, float] = {}
        self._reads = {"standby": 0, "primary": 0}

    def wrote(self, owner_id: str) -> None:
        """The owner's transaction has committed, here or in another process."""
        self._written[owner_id] = self._clock()

    def has_all_of(self, owner_id: str) -> bool:
        """Whether a read of this owner's sees what the owner has written, and others' of not long ago."""
        covered = self._covered
        if covered is None or self._clock() - covered > self._limit:
            return False
        return owner_id not in self._written or self._written[owner_id] < covered

    async def read(
        self, owner_id: str, there: Callable[[], Awaitable[T]], here: Callable[[], Awaitable[T]]
    ) -> T:
        """The answer of the standby (``there``) where it has all of the owner's, else of the primary."""
        if self.has_all_of(owner_id):
            with contextlib.suppress(DatabaseUnavailable):
                answer = await there()
                self._reads["standby"] += 1
                return answer
            self._covered = None  # until it was looked at again
        self._reads["primary"] += 1
        return await here()

    @property
    def lag(self) -> float | None:
        """Seconds that it is behind at most; None: it does not answer."""
        return None if self._covered is None else self._clock() - self._covered

    async def look(self) -> bool:
        """Note where the primary is, ask the standby. True: at once again (never).

        Raises DatabaseUnavailable and psycopg.Error: one of them does not answer, so that lists are the
        primary's; DatabaseUnavailable also where the standby is none.
        """
        now = self._clock()
        noted = await self._primary()
        if noted is not None:
            self._notes.append((now, noted))
        self._forget(now)
        replayed = None
        try:
            replayed = await self._standby()
        finally:
            if replayed is None:
                self._covered = None
        if replayed is None:
            raise DatabaseUnavailable("The server that should answer lists is no standby.", advice=_ADVICE)
        while self._notes and self._notes[0][1] <= replayed:
            self._covered = self._notes.popleft()[0]
        return False

    def _forget(self, now: float) -> None:
        """What was written before the limit no standby that is used can lack."""
        for owner_id in [owner for owner, when in self._written.items() if when < now - self._limit]:
            del self._written[owner_id]

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Look, until the block ends."""
        loop = BackgroundLoop(
            self.look,
            heartbeats.add("standby", LOOK_SECONDS),
            rest_seconds=LOOK_SECONDS,
            expected=(DatabaseUnavailable, psycopg.Error),
        )
        async with background.running(loop):
            yield

    def collect(self) -> list[Metric]:
        """See docs/metrics.md."""
        lag = GaugeMetricFamily(
            "strongroom_db_standby_lag_seconds",
            "How far the standby of lists is behind at most; no sample: it does not answer.",
        )
        if self.lag is not None:
            lag.add_metric([], self.lag)
        reads = CounterMetricFamily(
            "strongroom_db_list_reads", "Lists, by who has answered.", labels=["server"]
        )
        for server, count in self._reads.items():
            reads.add_metric([server], count)
        return [lag, reads]
