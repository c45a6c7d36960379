"""One large body at a time: through the gateway, directly over gRPC, the naive app, and boto3 alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from benchmarks import http_load
from benchmarks.payload import GIB
from benchmarks.report import Result
from benchmarks.samples import Sample, interleaved
from benchmarks.workbench import Workbench

GATEWAY, GRPC, NAIVE = "gateway", "gRPC", "naive app"
BOTO3, BOTO3_UNSIGNED = "boto3", "boto3, unsigned payload"
_KEY = "yardstick"


def yardstick(bench: Workbench, direction: str, *, unsigned: bool = False) -> Sample:
    """One transfer by boto3 in a separate process."""
    size = bench.scale.body
    command = [sys.executable, "-m", "benchmarks.yardstick", direction, bench.sink.endpoint, _KEY, str(size)]
    command += ["--folder", str(bench.folder), *(["--unsigned"] if unsigned else [])]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return Sample(
        seconds=told["seconds"],
        amount=size / GIB,
        cpu={"boto3": told["cpu"]},
        peak={"boto3": told["peak_mib"]},
    )


def _exactly(size: int, action: Callable[[], int]) -> Callable[[], None]:
    """`action`, checked to return that it received `size` bytes."""

    def run() -> None:
        received = action()
        if received != size:
            raise RuntimeError(f"received {received} bytes, not {size}")

    return run


def upload(bench: Workbench) -> Result:
    """Uploads of one body."""
    size, amount = bench.scale.body, bench.scale.body / GIB
    with bench.grpc() as grpc:
        for warm in (bench.upload_http, grpc.upload, bench.upload_naive):
            warm(bench.scale.warm_up)
        rows = interleaved(
            {
                GATEWAY: lambda: bench.through_gateway(amount, lambda: bench.upload_http(size)),
                GRPC: lambda: bench.through_grpc(amount, lambda: grpc.upload(size)),
                NAIVE: lambda: bench.through_naive(amount, lambda: bench.upload_naive(size)),
                BOTO3: lambda: yardstick(bench, "upload"),
                BOTO3_UNSIGNED: lambda: yardstick(bench, "upload", unsigned=True),
            },
            bench.scale.rounds,
        )
    ours, naive = bench.ours(rows[GATEWAY]), rows[NAIVE].cpu_of("naive")
    result = Result("upload", f"Upload of {_size(size)}", "GiB", list(rows.values()))
    result.checks = [
        bench.check("upload CPU ÷ boto3 upload_fileobj", ours / rows[BOTO3].cpu_of("boto3")),
        bench.check("upload MiB/s ÷ naive app", rows[GATEWAY].rate / rows[NAIVE].rate),
    ]
    unsigned = rows[BOTO3_UNSIGNED].cpu_of("boto3")
    result.notes = [
        f"CPU ÷ naive app {ours / naive:.2f}, ÷ boto3 with unsigned payload {ours / unsigned:.2f}."
    ]
    return result


def download(bench: Workbench) -> Result:
    """Downloads of one body."""
    size, amount = bench.scale.body, bench.scale.body / GIB
    yardstick(bench, "upload")
    ours, theirs = (
        bench.file_url(bench.upload_http(size)),
        f"{bench.naive.url}/files/{bench.upload_naive(size)}",
    )
    with bench.grpc() as grpc:
        key = grpc.upload(size)
        rows = interleaved(
            {
                GATEWAY: lambda: bench.through_gateway(
                    amount, _exactly(size, lambda: http_load.download(ours, bench.token))
                ),
                GRPC: lambda: bench.through_grpc(amount, _exactly(size, lambda: grpc.download(key))),
                NAIVE: lambda: bench.through_naive(
                    amount, _exactly(size, lambda: http_load.download(theirs, bench.token))
                ),
                BOTO3: lambda: yardstick(bench, "download"),
            },
            bench.scale.rounds,
        )
    ours_cpu, boto3 = bench.ours(rows[GATEWAY]), rows[BOTO3].cpu_of("boto3")
    result = Result("download", f"Download of {_size(size)}", "GiB", list(rows.values()))
    result.checks = [
        bench.check("download CPU ÷ boto3 download_file", ours_cpu / boto3),
        bench.check("download MiB/s ÷ naive app", rows[GATEWAY].rate / rows[NAIVE].rate),
    ]
    result.notes = [f"CPU ÷ naive app: {ours_cpu / rows[NAIVE].cpu_of('naive'):.2f}."]
    return result


def _size(size: int) -> str:
    return f"{size // GIB} GiB" if size >= GIB else f"{size >> 20} MiB"
