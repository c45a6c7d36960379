"""What a scanner for malware costs: uploads with one and without, small and long ones; and clamd by itself,
which writes a body to a file of its own and looks at it when it has ended: that time nobody can save.
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

#: The longest that is scanned as a whole by default is 25 MiB.
LONG: Final = 16 * MIB


def run(bench: Workbench) -> Result:
    """On one stack without a scanner and on one with it; rates count uploads of 64 KiB."""
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
    """MiB/s that it takes and judges, one body after the other, after a first one that makes it ready."""
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
    bench.upload_http(LONG)  # clamd's first body of that length takes it several times as long

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
