"""The latency of a small download while two endless uploads saturate the machine."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import http_load
from benchmarks.payload import GIB
from benchmarks.report import Result
from benchmarks.samples import interleaved
from benchmarks.workbench import Workbench

SIZE = 64 * 1024
UPLOADS = 2
_SETTLE_SECONDS = 0.5


def _upload_for_ever(url: str, token: str) -> None:
    while True:
        http_load.upload(url, token, GIB)


@contextmanager
def uploads_running(url: str, token: str, count: int) -> Iterator[None]:
    """`count` processes that upload endlessly. Raises RuntimeError if one stops."""
    spawn = multiprocessing.get_context("spawn")
    clients = [spawn.Process(target=_upload_for_ever, args=(url, token), daemon=True) for _ in range(count)]
    for client in clients:
        client.start()
    time.sleep(_SETTLE_SECONDS)
    try:
        yield
        if not all(client.is_alive() for client in clients):
            raise RuntimeError("an upload in the background failed; the figures under load mean nothing")
    finally:
        for client in clients:
            client.kill()
            client.join()


def run(bench: Workbench) -> Result:
    """Measure the p50 of a 64 KiB GET by one client, alternately without and with load."""
    upload_url = f"{bench.stack.url}/api/v1/s3/upload"
    url = bench.file_url(bench.upload_http(SIZE))
    get = bench.repeat(url, http_load.head("GET", url, bench.token), 200, 1)

    def loaded() -> http_load.Timings:
        with uploads_running(upload_url, bench.token, UPLOADS):
            return get()

    get()
    rows = interleaved(
        {
            "quiet": lambda: bench.through_gateway(0, get),
            f"while {UPLOADS} uploads run": lambda: bench.through_gateway(0, loaded),
        },
        bench.scale.rounds,
    )
    quiet, busy = rows.values()
    result = Result("mixed", "A 64 KiB GET beside two uploads", "request", [quiet, busy])
    result.checks = [bench.check("small GET p50, two uploads running ÷ quiet", busy.latency / quiet.latency)]
    result.notes = ["Under load, the CPU columns include the uploads; only the p50 is comparable."]
    return result
