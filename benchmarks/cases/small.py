"""Many small uploads, or GETs, in parallel: 64 KiB each, 16 clients."""

from __future__ import annotations

from benchmarks import http_load, payload
from benchmarks.report import Result
from benchmarks.samples import Row, interleaved
from benchmarks.workbench import Workbench

SIZE = 64 * 1024
CLIENTS = 16
GATEWAY, NAIVE = "gateway", "naive app"


def whole_upload(url: str, token: str, size: int) -> bytes:
    """A complete upload request: head and body."""
    return http_load.upload_head(url, token, size) + payload.block()[:size] + payload.form()[1]


def _loops(bench: Workbench, requests: dict[str, bytes], success: int) -> dict[str, Row]:
    """Gateway and naive app alternately. `requests`: URL → whole request, the gateway's first."""
    ours, theirs = (bench.repeat(url, one, success, CLIENTS) for url, one in requests.items())
    ours()
    theirs()
    return interleaved(
        {GATEWAY: lambda: bench.through_gateway(0, ours), NAIVE: lambda: bench.through_naive(0, theirs)},
        bench.scale.rounds,
    )


def _result(bench: Workbench, case: str, title: str, rows: dict[str, Row], figure: str) -> Result:
    result = Result(case, title, "request", list(rows.values()))
    ours, naive = rows[GATEWAY], rows[NAIVE]
    result.checks = [
        bench.check(f"64 KiB {figure}/s, {CLIENTS} clients ÷ naive app", ours.rate / naive.rate),
        bench.check(f"64 KiB {figure}, CPU ÷ naive app", bench.ours(ours) / naive.cpu_of("naive")),
    ]
    return result


def uploads(bench: Workbench) -> Result:
    """Uploads per second, gateway and naive app."""
    urls = (f"{bench.stack.url}/api/v1/s3/upload", f"{bench.naive.url}/files")
    rows = _loops(bench, {url: whole_upload(url, bench.token, SIZE) for url in urls}, 201)
    return _result(bench, "small", f"Uploads of 64 KiB, {CLIENTS} clients", rows, "uploads")


def gets(bench: Workbench) -> Result:
    """GETs per second of one file each, gateway and naive app."""
    urls = (
        bench.file_url(bench.upload_http(SIZE)),
        f"{bench.naive.url}/files/{bench.upload_naive(SIZE)}",
    )
    rows = _loops(bench, {url: http_load.head("GET", url, bench.token) for url in urls}, 200)
    return _result(bench, "gets", f"GETs of 64 KiB, {CLIENTS} clients", rows, "GETs")
