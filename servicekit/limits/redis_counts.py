"""Counts shared by replicas, in Redis or Valkey.

Rates are moving windows of the library ``limits``. What is open at once is a sorted set of leases per key,
sorted by expiry: a process renews its own, so a dead one's places are free again within ``LEASE_SECONDS``.

No request waits for a server that is away: after one failure it is left alone, and asked once a second in the
background; until it answers, every process counts for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from servicekit.limits.counts import Cap, Hold, Rate
from servicekit.limits.metrics import LimitMetrics

PREFIX: Final = "strongroom"
LEASE_SECONDS: Final = 30.0
REVIVE_SECONDS: Final = 1.0
CONNECTIONS: Final = 16
#: Leases renewed in one request.
_BATCH: Final = 500
_NO_CAP: Final = 2**31

_LEASE: Final = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[3])) + 1)
return 1
"""

T = TypeVar("T")

log = structlog.get_logger("limits")


class RedisCounts:
    """:param url: ``redis://`` and similar, as in STRONGROOM_REDIS_URL.
    :param seconds: limit for one answer.
    :param lease_seconds: how long a place outlives the process that held it.
    """

    def __init__(
        self,
        url: str,
        seconds: float,
        metrics: LimitMetrics,
        *,
        lease_seconds: float = LEASE_SECONDS,
        revive_seconds: float = REVIVE_SECONDS,
    ) -> None:
        plain = url.replace("valkey://", "redis://", 1).replace("valkeys://", "rediss://", 1)
        pool: Any = BlockingConnectionPool.from_url(
            plain,
            max_connections=CONNECTIONS,
            timeout=seconds,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Any = Redis.from_pool(pool)  # its calls are only partly typed
        storage = RedisStorage(
            f"async+{plain}", implementation="redispy", key_prefix=PREFIX, connection_pool=pool
        )
        self._windows = MovingWindowRateLimiter(storage)
        self._seconds = seconds
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._revive_seconds = revive_seconds
        self._script: Any = self._redis.register_script(_LEASE)
        self._leases: dict[str, str] = {}
        self._drops: dict[str, set[asyncio.Task[None]]] = {}
        self._refused_until: dict[tuple[str, str], float] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._reviving: asyncio.Task[None] | None = None
        metrics.show_shared(up=True)

    async def take(self, rate: Rate, key: str, amount: int = 1) -> float:
        """Count ``amount`` for ``key``. Returns 0.0, or the seconds to wait. Returns 0.0 also if the server
        is away.
        """
        now = time.monotonic()
        wait = self._refused_until.get((rate.name, key), 0.0) - now
        if wait > 0.0:
            return wait
        item = RateLimitItemPerSecond(rate.burst, rate.window)

        async def wait_for_room() -> float:
            if await self._windows.hit(item, rate.name, key, cost=min(amount, rate.burst)):
                return 0.0
            reset, _ = await self._windows.get_window_stats(item, rate.name, key)
            return max(reset - time.time(), 0.0) + 0.001

        wait = await self._ask(wait_for_room, 0.0)
        if wait:
            if len(self._refused_until) >= 10_000:
                self._refused_until.clear()
            self._refused_until[rate.name, key] = now + wait
        return wait

    async def lease(self, cap: Cap, key: str) -> Hold | None:
        """A place known to all replicas; None if all are taken. While the server is away, a place is always
        granted and reported to the server later.
        """
        name, table = uuid.uuid4().hex, f"{PREFIX}:{cap.name}:{key}"
        if waiting := self._drops.get(table):
            await asyncio.wait(set(waiting))
        arguments = [name, cap.most, self._lease_seconds]
        try:
            granted = await self._ask(lambda: self._script([table], arguments), 1)
        except asyncio.CancelledError:
            self._drop(table, name)
            raise
        if not granted:
            return None
        self._leases[name] = table
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_always())
        return Hold(lambda: self._drop(table, name))

    async def aclose(self) -> None:
        """Release all leases, and close the connections."""
        for name, table in tuple(self._leases.items()):
            self._drop(table, name)
        for tasks in tuple(self._drops.values()):
            await asyncio.wait(set(tasks))
        for task in (self._renewing, self._reviving):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _ask(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """The server's answer; ``otherwise`` if it is away or takes too long."""
        if self._reviving is not None:
            return otherwise
        try:
            async with asyncio.timeout(self._seconds):
                return await question()
        except (RedisError, TimeoutError, OSError) as error:
            self._lost(error)
            return otherwise

    def _lost(self, error: Exception) -> None:
        if self._reviving is None:
            self._refused_until.clear()
            self._metrics.show_shared(up=False)
            log.warning(
                "STRONGROOM_REDIS_URL is away: each process counts for itself until it is back",
                reason=type(error).__name__,
            )
            self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        while True:
            await asyncio.sleep(self._revive_seconds)
            try:
                async with asyncio.timeout(1.0):
                    await self._redis.ping()
                    await self._renew()
            except (RedisError, TimeoutError, OSError):
                continue
            break
        self._reviving = None
        self._metrics.show_shared(up=True)
        log.info("STRONGROOM_REDIS_URL is back: replicas count together again")

    async def _renew_always(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if self._leases and self._reviving is None:
                try:
                    await self._renew()
                except (RedisError, TimeoutError, OSError) as error:
                    self._lost(error)

    async def _renew(self) -> None:
        """Extend all leases; those that the server has lost are added again."""
        leases = tuple(self._leases.items())
        for begin in range(0, len(leases), _BATCH):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, table in leases[begin : begin + _BATCH]:
                    await self._script([table], [name, _NO_CAP, self._lease_seconds], client=pipeline)
                await pipeline.execute()

    def _drop(self, table: str, name: str) -> None:
        """Release a lease in the background; one that can't be released expires."""
        self._leases.pop(name, None)

        async def remove() -> None:
            await self._ask(lambda: self._redis.zrem(table, name), None)

        task = asyncio.create_task(remove())
        self._drops.setdefault(table, set()).add(task)
        task.add_done_callback(lambda done: self._dropped(table, done))

    def _dropped(self, table: str, task: asyncio.Task[None]) -> None:
        tasks = self._drops[table]
        tasks.discard(task)
        if not tasks:
            del self._drops[table]
