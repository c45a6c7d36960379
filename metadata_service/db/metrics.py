"""Metrics of the database: durations and errors of transactions, and the state of the pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import psycopg
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout, TooManyRequests

#: `transaction`: several round trips; `group`: one round trip for several owners; `read`: one query.
Kind = Literal["transaction", "group", "read"]

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


#: The server's time, seconds since 1970.
CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


def error_class(error: Exception) -> str:
    """The class of the error's SQLSTATE (`40`, `57`), or `pool`: there was no connection; `connection`: it
    was lost without a message; `timeout`: the time limit for all tries has passed.
    """
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, PoolTimeout | TooManyRequests):
        return "pool"
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state[:2] if state else "connection"


class DatabaseMetrics(Collector):
    """Metrics of one process's connections to one server: names begin with ``strongroom_db``, or with
    ``strongroom_db_standby`` for the standby that answers lists.

    `pool`: returns the statistics of psycopg_pool; `takes_writes`: see Database.
    """

    def __init__(self, *, of_standby: bool = False) -> None:
        self._of_standby = of_standby
        self._prefix = "strongroom_db_standby" if of_standby else "strongroom_db"
        self.pool: Callable[[], Mapping[str, int]] | None = None
        self.takes_writes: Callable[[], bool] | None = None
        self._transactions = Histogram(
            f"{self._prefix}_transaction_duration_seconds",
            "Transactions with their wait for a connection and all tries.",
            ("kind",),
            buckets=SECONDS,
            registry=None,
        )
        self._exchanges = Histogram(
            f"{self._prefix}_round_trip_duration_seconds",
            "Round trips of one or more statements.",
            buckets=SECONDS,
            registry=None,
        )
        self._errors = Counter(
            f"{self._prefix}_errors",
            "Tries that failed, by class of SQLSTATE.",
            ("sqlstate_class",),
            registry=None,
        )
        self._clock: float | None = None
        self._retries = Counter(f"{self._prefix}_retries", "Transactions run again.", registry=None)
        self.round_trip: Final = self._exchanges.observe
        self._ended = {
            kind: self._transactions.labels(kind).observe for kind in ("transaction", "group", "read")
        }

    def ended(self, kind: Kind, seconds: float) -> None:
        """Count a transaction that has ended, with or without success."""
        self._ended[kind](seconds)

    def failed(self, error: Exception) -> None:
        """Count a failed try."""
        self._errors.labels(error_class(error)).inc()

    def again(self) -> None:
        """Count a transaction that is run again."""
        self._retries.inc()

    def clock(self, ahead: float) -> None:
        """Record by how many seconds the server's clock is ahead of this process's, accurate to a
        round trip.
        """
        self._clock = ahead

    def collect(self) -> Iterable[Metric]:
        """All metrics of the database."""
        for metric in (self._transactions, self._exchanges, self._errors, self._retries):
            yield from metric.collect()
        if self._clock is not None:
            offset = GaugeMetricFamily(
                "strongroom_clock_offset_seconds",
                "Seconds by which the clock of `of` is ahead of this one.",
                labels=("of",),
            )
            offset.add_metric(("postgres",), self._clock)
            yield offset
        if self.takes_writes is not None and not self._of_standby:
            yield GaugeMetricFamily(
                "strongroom_db_writable",
                "0: the server has refused a write recently (disk full, standby).",
                value=int(self.takes_writes()),
            )
        if self.pool is not None:
            yield from _pool_metrics(self._prefix, self.pool())


def _pool_metrics(prefix: str, stats: Mapping[str, int]) -> Iterable[Metric]:
    size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
    connections = GaugeMetricFamily(
        f"{prefix}_pool_connections", "Connections of the pool.", labels=("state",)
    )
    connections.add_metric(("idle",), idle)
    connections.add_metric(("in_use",), max(0, size - idle))
    yield connections
    for name, text, key in (
        ("limit", "Most connections.", "pool_max"),
        ("waiting", "Transactions that wait for a connection.", "requests_waiting"),
    ):
        yield GaugeMetricFamily(f"{prefix}_pool_{name}", text, value=stats.get(key, 0))
    for name, text, key, unit in (
        ("requests", "Connections asked for.", "requests_num", 1),
        ("wait_seconds", "Time waited for connections.", "requests_wait_ms", 1000),
        ("timeouts", "Transactions that got no connection in time.", "requests_errors", 1),
        ("connection_failures", "Connections that could not be opened.", "connections_errors", 1),
        ("connections_lost", "Connections found dead.", "connections_lost", 1),
    ):
        yield CounterMetricFamily(f"{prefix}_pool_{name}", text, value=stats.get(key, 0) / unit)
