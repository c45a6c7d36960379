"""The cost of a malware scanner: small and long uploads with and without it; and clamd alone.

clamd writes a body to a file and scans the file at the body's end, so that time is added to each upload.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from benchmarks import scanner
from benchmarks.cases.small import CLIENTS, SIZE, whole_upload
from benchmarks.payload import GIB, MIB
from benchmarks.report import Result
from benchmarks.samples import Row, interleaved
from benchmarks.scanner import Scanner
from benchmarks.workbench import Workbench
from storage_service.scanning.clamd import INSTREAM, Address, Connection

#: By default up to 25 MiB are scanned as a whole.
LONG: Final = 16 * MIB


def run(bench: Workbench) -> Result:
    """Measure a stack without a scanner and one with it; rates count uploads of 64 KiB."""
    rows, notes = [], []
    with scanner.running(bench.folder / "clamd") as clamd:
        notes.append(
            f"clamd alone: {_alone(clamd, bench.scale.several):,.0f} MiB/s in bodies of that length."
        )
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


def _alone(clamd: Scanner, bodies: int) -> float:
    """MiB/s that clamd accepts and scans, body after body, after one for warming up."""
    address, body = Address.parse(clamd.address), memoryview(bytes(LONG))

    async def ask() -> None:
        connection = await Connection.open(address, seconds=60)
        try:
            await connection.send(INSTREAM)
            for start in range(0, LONG, MIB):
                await connection.chunk(body[start : start + MIB])
            await connection.verdict()
        finally:
            connection.close()

    asyncio.run(ask())
    begun = time.perf_counter()
    for _ in range(bodies):
        asyncio.run(ask())
    return bodies * LONG / MIB / (time.perf_counter() - begun)


def _ours(row: Row) -> float:
    """CPU seconds per upload of the services only."""
    return row.cpu_of(*(name for name in row.cpu if name not in {"postgres", "clamd"}))


def _uploads(bench: Workbench, subject: str, found: Scanner | None) -> tuple[Row, Row]:
    """Small uploads in parallel, long ones one by one."""
    url = f"{bench.stack.url}/api/v1/s3/upload"
    pids = {**bench.stack.services, "postgres": bench.stack.pids["postgres"]}
    if found is not None:
        pids["clamd"] = found.pid
    small = bench.repeat(url, whole_upload(url, bench.token, SIZE), 201, CLIENTS)
    small()
    bench.upload_http(LONG)  # clamd's first body of that length takes several times as long

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
