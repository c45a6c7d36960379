"""What a scanner for malware costs: uploads with one and without, small and long ones."""

from __future__ import annotations

from typing import Final

from benchmarks import scanner
from benchmarks.cases.small import CLIENTS, SIZE, whole_upload
from benchmarks.payload import GIB, MIB
from benchmarks.report import Result
from benchmarks.samples import Row, interleaved
from benchmarks.scanner import Scanner
from benchmarks.workbench import Workbench

#: The longest that is scanned as a whole by default is 25 MiB.
LONG: Final = 16 * MIB


def run(bench: Workbench) -> Result:
    """On one stack without a scanner and on one with it; rates count uploads of 64 KiB."""
    rows, notes = [], []
    with scanner.running(bench.folder / "clamd") as clamd:
        for subject, found in (("scanning off", None), ("scanning on", clamd)):
            env = {} if found is None else {"STRONGROOM_CLAMD_ADDRESS": found.address}
            with bench.sinking_stack(env):
                row, long = _uploads(bench, subject, found)
            rows.append(row)
            rate = long.rate * GIB / MIB
            notes.append(f"{subject}: {rate:,.0f} MiB/s in uploads of {LONG // MIB} MiB by one client.")
    off, on = rows
    text = f"Scanning on ÷ off, 64 KiB: uploads/s {on.rate / off.rate:.2f}, CPU of our services"
    notes.insert(0, f"{text} {_ours(on) / _ours(off):.2f}, p50 {on.latency / off.latency:.2f}.")
    title = f"Uploads of 64 KiB, {CLIENTS} clients, with a scanner and without"
    return Result("scanning", title, "request", rows, [], notes)


def _ours(row: Row) -> float:
    """CPU seconds per upload of the services alone."""
    return row.cpu_of(*(name for name in row.cpu if name not in {"postgres", "clamd"}))


def _uploads(bench: Workbench, subject: str, found: Scanner | None) -> tuple[Row, Row]:
    """Small ones by many, long ones by one."""
    url = f"{bench.stack.url}/api/v1/s3/upload"
    pids = {**bench.stack.services, "postgres": bench.stack.pids["postgres"]}
    if found is not None:
        pids["clamd"] = found.pid
    small = bench.repeat(url, whole_upload(url, bench.token, SIZE), 201, CLIENTS)
    small()

    def long() -> None:
        for _ in range(bench.scale.several):
            bench.upload_http(LONG)

    measured = interleaved(
        {
            subject: lambda: bench.measure(pids, 0, small),
            "long": lambda: bench.measure(pids, bench.scale.several * LONG / GIB, long),
        },
        bench.scale.rounds,
    )
    return measured[subject], measured["long"]
