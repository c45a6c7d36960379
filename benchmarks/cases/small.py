"""Many small uploads at once: 64 KiB each, 16 clients."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import http_load, payload
from benchmarks.report import Result
from benchmarks.samples import interleaved
from benchmarks.targets import check
from benchmarks.workbench import Workbench

SIZE = 64 * 1024
CLIENTS = 16


def whole_upload(url: str, token: str, size: int) -> bytes:
    """A complete upload request, head and body."""
    return http_load.upload_head(url, token, size) + payload.block()[:size] + payload.form()[1]


def run(bench: Workbench) -> Result:
    """Uploads per second, gateway and naive app."""
    gateway, naive = f"{bench.stack.url}/api/v1/s3/upload", f"{bench.naive.url}/files"

    def loop(url: str) -> Callable[[], http_load.Timings]:
        return bench.repeat(url, whole_upload(url, bench.token, SIZE), 201, CLIENTS)

    loop(gateway)()
    loop(naive)()
    rows = interleaved(
        {
            "gateway": lambda: bench.through_gateway(0, loop(gateway)),
            "naive app": lambda: bench.through_naive(0, loop(naive)),
        },
        bench.scale.rounds,
    )
    result = Result("small", f"Uploads of 64 KiB, {CLIENTS} clients", "request", list(rows.values()))
    figure = "64 KiB uploads/s, 16 clients ÷ naive app"
    result.checks = [check(figure, rows["gateway"].rate / rows["naive app"].rate)]
    return result
