"""Peak resident memory of gateway and storage_service, by body size and by number of parallel uploads."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.payload import GIB
from benchmarks.report import Result
from benchmarks.samples import Row, interleaved
from benchmarks.targets import Check
from benchmarks.workbench import Workbench

IDLE = "idle"
IDLE_SECONDS = 3.0
#: The process with all services.
WHOLE = "strongroom"


def _name(size: int, count: int = 1) -> str:
    text = f"{size // GIB} GiB" if size >= GIB else f"{size >> 20} MiB"
    return text if count == 1 else f"{count} times {text} at once"


def _uploads(bench: Workbench, size: int, count: int) -> Callable[[], None]:
    def run() -> None:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(bench.upload_http, [size] * count))

    return run


def _rows(bench: Workbench) -> dict[str, Row]:
    """Measure sizes in rising order on services just started, then parallel uploads."""
    scale = bench.scale
    works = [(size, 1) for size in scale.memory] + [(scale.body, scale.several)]

    def sample(size: int, count: int) -> Row:
        action = _uploads(bench, size, count)
        taken = interleaved(
            {_name(size, count): lambda: bench.through_gateway(size * count / GIB, action)}, scale.rounds
        )
        return taken[_name(size, count)]

    return {_name(size, count): sample(size, count) for size, count in works}


def _idle(bench: Workbench) -> Row:
    """Measure idle services just started."""
    _ = bench.stack
    time.sleep(IDLE_SECONDS)
    return interleaved({IDLE: lambda: bench.through_gateway(1, lambda: time.sleep(0.1))}, 1)[IDLE]


def _checks(bench: Workbench, rows: dict[str, Row]) -> list[Check]:
    scale = bench.scale
    smallest, largest = rows[_name(min(scale.memory))], rows[_name(max(scale.memory))]
    one, several = rows[_name(scale.body)], rows[_name(scale.body, scale.several)]
    idle = rows[IDLE].peak
    if bench.form == "one":
        return [
            bench.check("memory of the process, idle", idle[WHOLE]),
            bench.check("peak memory of the process, one upload of 1 GiB", one.peak[WHOLE]),
            bench.check("peak memory of the process, eight uploads of 1 GiB", several.peak[WHOLE]),
        ]
    growth = largest.peak["gateway"] - smallest.peak["gateway"]
    return [
        bench.check("gateway memory, idle", idle["gateway"]),
        bench.check("storage_service memory, idle", idle["storage"]),
        bench.check("metadata_service memory, idle", idle["metadata"]),
        bench.check("gateway memory growth, smallest to largest body", growth),
        bench.check("storage_service peak memory, one upload of 1 GiB", one.peak["storage"]),
        bench.check("storage_service peak memory, eight uploads of 1 GiB", several.peak["storage"]),
    ]


def run(bench: Workbench) -> Result:
    """Measure the peaks (VmHWM, reset before each upload)."""
    bench.fresh_stack()
    rows = {IDLE: _idle(bench)} | _rows(bench)
    result = Result("memory", "Peak memory", "GiB", list(rows.values()))
    result.checks = _checks(bench, rows)
    result.notes = [
        "The services are restarted before this case, and sizes rise, so no peak is left from a larger body."
    ]
    return result
