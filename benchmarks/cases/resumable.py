"""Resumable uploads: S3 requests and traffic per byte of a file sent in pieces, and the time to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from statistics import median
from time import perf_counter

from benchmarks.payload import MIB
from benchmarks.report import Result
from benchmarks.samples import Row, Sample, interleaved
from benchmarks.session_load import Sessions, Tus, tus_resume
from benchmarks.workbench import Workbench

PIECES = (1 * MIB, 6 * MIB, 8 * MIB, 64 * MIB)
#: S3 requests of an upload itself. Segments are deleted later by the cleaner, with one list and one delete.
CALLS = ("puts", "creates", "parts", "gets", "heads", "completes")
ONE_SHOT, WHOLE = "one shot", "session in one piece"
TUS = "tus in pieces of 1 MiB"
FIRST_BYTES = 64 * 1024
RESUMES = 20

Counts = dict[str, list[Mapping[str, int]]]


def _name(piece: int) -> str:
    return f"session in pieces of {piece // MIB} MiB"


def _counted(
    bench: Workbench, counts: list[Mapping[str, int]], action: Callable[[], object], *, gateway: bool
) -> Sample:
    """One upload of this scale's size, with the sink's requests."""
    before = bench.sink.stats()
    watch = bench.through_gateway if gateway else bench.through_grpc
    sample = watch(bench.scale.session_body / (1 << 30), action)
    after = bench.sink.stats()
    counts.append({name: after[name] - before[name] for name in after})
    return sample


def _uploads(bench: Workbench, counts: Counts) -> dict[str, Row]:
    """Each subject uploads the same bytes; rates and CPU are of storage_service and the services behind
    it.
    """
    size = bench.scale.session_body
    with (
        bench.grpc() as grpc,
        closing(Sessions(bench.stack.storage_address, bench.token)) as sessions,
        closing(Tus(bench.stack.url, bench.token)) as tus,
    ):
        tus.upload(bench.scale.warm_up, MIB)
        grpc.upload(bench.scale.warm_up)
        sessions.upload(bench.scale.warm_up, bench.scale.warm_up)
        actions: dict[str, Callable[[], object]] = {
            ONE_SHOT: lambda: grpc.upload(size),
            WHOLE: lambda: sessions.upload(size, size),
            TUS: lambda: tus.upload(size, MIB),
        }
        for piece in PIECES:
            actions[_name(piece)] = lambda piece=piece: sessions.upload(size, piece)  # type: ignore[misc]

        def subject(name: str) -> Callable[[], Sample]:
            return lambda: _counted(bench, counts.setdefault(name, []), actions[name], gateway=name == TUS)

        return interleaved({name: subject(name) for name in actions}, bench.scale.rounds)


def _resumes(bench: Workbench) -> dict[str, float]:
    """Milliseconds from a new connection to the first bytes persisted, in the middle of a part; medians."""
    address, token = bench.stack.storage_address, bench.token

    def over_grpc(upload_id: str) -> int:
        with closing(Sessions(address, token)) as back:
            return back.write(upload_id, back.offset(upload_id), FIRST_BYTES)

    def over_tus(upload_id: str) -> int:
        return tus_resume(bench.stack.url, token, upload_id, FIRST_BYTES)

    doors = {"gRPC (GetUpload, Upload)": over_grpc, "tus (HEAD, PATCH)": over_tus}
    taken: dict[str, list[float]] = {name: [] for name in doors}
    with closing(Sessions(address, token)) as sessions:
        for _ in range(RESUMES if bench.scale.rounds > 1 else 2):
            for name, resume in doors.items():
                upload_id = sessions.create(16 * MIB)
                sessions.write(upload_id, 0, MIB)
                began = perf_counter()
                persisted = resume(upload_id)
                taken[name].append(1000 * (perf_counter() - began))
                if persisted != MIB + FIRST_BYTES:
                    raise RuntimeError(f"{name} went on to {persisted} bytes")
    return {name: median(times) for name, times in taken.items()}


def costs(counts: Counts, size: int) -> dict[str, tuple[float, float, float, float]]:
    """By subject: S3 calls of one upload and per MiB; bytes written to S3, and read back, per byte."""
    return {
        name: (
            calls := median(sum(count[call] for call in CALLS) for count in taken),
            calls * MIB / size,
            median(count["bytes_in"] for count in taken) / size,
            median(count["bytes_out"] for count in taken) / size,
        )
        for name, taken in counts.items()
    }


def _costs_table(found: Mapping[str, tuple[float, float, float, float]], size: int) -> str:
    lines = [
        f"| {size // MIB} MiB | S3 calls | calls/MiB | bytes written ÷ uploaded | bytes read ÷ uploaded |",
        "|---|---|---|---|---|",
    ]
    for name, (calls, rate, written, read) in found.items():
        lines.append(f"| {name} | {calls:.0f} | {rate:.3f} | {written:.3f} | {read:.3f} |")
    return "\n".join(lines)


def run(bench: Workbench) -> Result:
    """Measure one request, a session in one piece, sessions in pieces; then resuming."""
    counts: Counts = {}
    size = bench.scale.session_body
    rows = _uploads(bench, counts)
    found = costs(counts, size)
    resumes = _resumes(bench)
    result = Result("resumable", f"Resumable uploads of {size // MIB} MiB", "GiB", list(rows.values()))
    large = max(found[_name(piece)][2] for piece in PIECES if piece >= 8 * MIB)
    result.checks = [
        bench.check("bytes written to S3 per byte, in pieces of 1 MiB", found[_name(MIB)][2]),
        bench.check("bytes written to S3 per byte, in pieces of 8 and 64 MiB", large),
        bench.check("resumable upload MiB/s ÷ one shot", rows[WHOLE].rate / rows[ONE_SHOT].rate),
        bench.check("MiB/s in pieces of 1 MiB, tus", rows[TUS].rate * 1024),
        bench.check("MiB/s in pieces of 1 MiB, gRPC", rows[_name(MIB)].rate * 1024),
    ]
    told = ", ".join(f"{name} {taken:.0f} ms" for name, taken in resumes.items())
    result.notes = [
        _costs_table(found, size),
        f"Resuming, from a new connection to the first {FIRST_BYTES // 1024} KiB persisted: {told}.",
    ]
    return result
