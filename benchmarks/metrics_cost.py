"""The cost of metrics per request and per scrape: `python -m benchmarks.metrics_cost`.

The figures are in docs/metrics.md. Each is the best of several rounds, in CPU time of one core.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from gateway.metrics import Metrics as GatewayMetrics
from metadata_service.db.metrics import DatabaseMetrics
from servicekit.method import Method
from servicekit.telemetry.rpcs import MethodStats, Metrics
from storage_service.objectstore.s3.metrics import S3Calls
from storage_service.servicers.transfers import Transfers
from strongroom.metadata.v1.file_pb2 import File

ROUNDS: Final = 7
TIMES: Final = 5000
ROUTES: Final = 80
METHODS: Final = 90


def micros(work: Callable[[], object], times: int = TIMES) -> float:
    """Microseconds of CPU for one call."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


def _s3_request() -> float:
    async def nothing() -> None:
        return None

    calls = S3Calls()

    def run(counted: Callable[[], Callable[[], Awaitable[None]]]) -> float:
        async def many() -> None:
            for _ in range(TIMES):
                await counted()()

        return micros(lambda: asyncio.run(many()), 1) / TIMES

    return run(lambda: calls.counted("PutObject", nothing, size=1)) - run(lambda: nothing)


def _busy() -> tuple[GatewayMetrics, Metrics]:
    """Metrics as they are after every route and method was used."""
    gateway, rpcs = GatewayMetrics(), Metrics()
    for number in range(ROUTES):
        for status in (200, 404, 503):
            gateway.ended("GET", f"/api/v1/route/{number}", status, 0.01 * number)
    for number in range(METHODS):
        stats = rpcs.method(Method(f"/a.B/M{number}", "a.B", f"M{number}", "unary"))
        stats.ended("OK", 0.01)
    return gateway, rpcs


def _rendered(registry: CollectorRegistry) -> tuple[float, int]:
    return micros(lambda: generate_latest(registry), 3) / 1000, len(generate_latest(registry)) // 1024


def main() -> None:
    """Measure and print."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # as each process does
    gateway, rpcs = _busy()
    stats = MethodStats(Method("/a.B/C", "a.B", "C", "unary"))
    database, transfers = DatabaseMetrics(), Transfers()
    file = File(id="01a", size_bytes=5)
    sent = transfers.begun(file, "http")
    rows = {
        "an HTTP request": micros(lambda: gateway.ended("GET", "/api/v1/route/7", 200, 0.02)),
        "an RPC": micros(lambda: stats.ended("OK", 0.02)),
        "a request to S3, all of it": _s3_request(),
        "a transaction": micros(lambda: database.ended("transaction", 0.02)),
        "a round trip to Postgres": micros(lambda: database.round_trip(0.02)),
        "an upload": micros(lambda: transfers.stored(file, "form")),
        "a piece of a download": micros(lambda: sent.inc(65536)),
    }
    print("| counting | µs |\n|---|---|")
    for name, found in rows.items():
        print(f"| {name} | {found:.1f} |")
    print("\n| a scrape of | ms | KiB |\n|---|---|---|")
    for name, registry in (
        (f"a gateway with {ROUTES} routes in use", gateway.registry),
        (f"a service with {METHODS} methods in use", rpcs.registry),
    ):
        milliseconds, size = _rendered(registry)
        print(f"| {name} | {milliseconds:.1f} | {size} |")


if __name__ == "__main__":
    main()
