"""Lists from a standby of Postgres, never for a caller who has written something that it does not have yet.

A loop notes the position of the primary's log and then asks the standby for its own: the standby has
everything committed before the newest note that it has passed. It answers a read if that note is not older
than the limit and the owner has written nothing since. Writes of this process are known from its commits,
those of other processes from NOTIFY. The primary answers all other reads, and those at which the standby
fails.
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

#: Seconds between two looks at the standby. The lag is overestimated by as much.
LOOK_SECONDS: Final = 0.5
#: Seconds until the primary is asked instead, within the caller's time limit. Lists take milliseconds; a
#: standby that takes longer is frozen or out of reach.
ANSWER_SECONDS: Final = 1.0
#: Most notes that are kept until the standby reaches them; the oldest are dropped.
MOST_NOTES: Final = 1000

Position: TypeAlias = int
"""Position in the log in bytes (``pg_lsn``)."""
Ask: TypeAlias = Callable[[], Awaitable[Position | None]]

PRIMARY_POSITION: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
STANDBY_POSITION: Final = "SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn"

_ADVICE: Final = (
    "STRONGROOM_DATABASE_READ_URL leads to a primary; let it lead to a streaming standby, or remove it."
)


class Standby(Collector):
    """Knows how far the standby is, and which reads it may answer.

    ``limit``: its largest permitted lag in seconds. ``primary``, ``standby``: return the position of their
    logs; None from ``standby``: the server is not a standby.
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
        """Note that a transaction of the owner has committed, here or in another process."""
        self._written[owner_id] = self._clock()

    def has_all_of(self, owner_id: str) -> bool:
        """Whether the standby has all that the owner has written, and is within the limit for all else."""
        covered = self._covered
        if covered is None or self._clock() - covered > self._limit:
            return False
        return owner_id not in self._written or self._written[owner_id] < covered

    async def read(
        self, owner_id: str, there: Callable[[], Awaitable[T]], here: Callable[[], Awaitable[T]]
    ) -> T:
        """The result of ``there`` (the standby) if it has all of the owner's writes, else that of ``here``
        (the primary).
        """
        if self.has_all_of(owner_id):
            with contextlib.suppress(DatabaseUnavailable):
                answer = await there()
                self._reads["standby"] += 1
                return answer
            self._covered = None  # until the next successful look
        self._reads["primary"] += 1
        return await here()

    @property
    def lag(self) -> float | None:
        """Its lag in seconds at most; None: it does not answer."""
        return None if self._covered is None else self._clock() - self._covered

    async def look(self) -> bool:
        """Note the primary's position and ask the standby for its own. Always returns False: the loop may
        rest.

        Raises DatabaseUnavailable and psycopg.Error: one of them does not answer, or the server is not a
        standby. If the standby does not answer, the primary answers lists.
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
            raise DatabaseUnavailable("The server that should answer lists is not a standby.", advice=_ADVICE)
        while self._notes and self._notes[0][1] <= replayed:
            self._covered = self._notes.popleft()[0]
        return False

    def _forget(self, now: float) -> None:
        """Forget writes older than the limit: a standby within the limit has them."""
        for owner_id in [owner for owner, when in self._written.items() if when < now - self._limit]:
            del self._written[owner_id]

    @contextlib.asynccontextmanager
    async def running(self, heartbeats: Heartbeats) -> AsyncIterator[None]:
        """Look every LOOK_SECONDS until the block ends."""
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
            "Maximum lag in seconds of the standby that serves lists; no sample: it does not answer.",
        )
        if self.lag is not None:
            lag.add_metric([], self.lag)
        reads = CounterMetricFamily(
            "strongroom_db_list_reads", "Lists, by the server that answered.", labels=["server"]
        )
        for server, count in self._reads.items():
            reads.add_metric([server], count)
        return [lag, reads]
