"""Lists of 50 files, with few rows in the table and with many, compared with the naive app."""

from __future__ import annotations

from benchmarks import http_load, rows
from benchmarks.report import Result
from benchmarks.samples import Row, Sample, interleaved
from benchmarks.workbench import Workbench

LIMIT = 50
CLIENTS = 8


def _checked(bench: Workbench) -> tuple[str, str]:
    """The two list URLs, after checking that both return a full page."""
    ours = f"{bench.stack.url}/api/v1/s3/files?max_keys={LIMIT}"
    theirs = f"{bench.naive.url}/files?max_keys={LIMIT}"
    counts = (
        len(http_load.get_json(ours, bench.token)["files"]),
        len(http_load.get_json(theirs, bench.token)),
    )
    if counts != (LIMIT, LIMIT):
        raise RuntimeError(f"lists of {LIMIT} have {counts} entries")
    return ours, theirs


def _measure(bench: Workbench) -> dict[str, Row]:
    """Requests per second with several clients, and the latency of one client alone."""
    ours, theirs = _checked(bench)

    def gateway(clients: int) -> Sample:
        get = http_load.head("GET", ours, bench.token)
        return bench.through_gateway(0, bench.repeat(ours, get, 200, clients))

    def naive(clients: int) -> Sample:
        get = http_load.head("GET", theirs, bench.token)
        return bench.through_naive(0, bench.repeat(theirs, get, 200, clients))

    gateway(CLIENTS)
    naive(CLIENTS)
    subjects = {
        f"gateway, {CLIENTS} clients": lambda: gateway(CLIENTS),
        f"naive app, {CLIENTS} clients": lambda: naive(CLIENTS),
        "gateway, one client": lambda: gateway(1),
        "naive app, one client": lambda: naive(1),
    }
    return interleaved(subjects, bench.scale.rounds)


def _named(measured: dict[str, Row], count: int) -> list[Row]:
    return [Row(**{**vars(row), "subject": f"{name}, {count:,} rows"}) for name, row in measured.items()]


def run(bench: Workbench) -> Result:
    """Measure with few rows in the table, then with many, all of one user."""
    few, many = bench.scale.list_rows
    bench.user += "-list"
    key = bench.upload_http(1024)
    _ = bench.naive
    rows.fill_stack(bench.stack.dsn, key, few - 1)
    rows.fill_naive(bench.naive.dsn, bench.user, few)
    at_few = _measure(bench)
    rows.fill_stack(bench.stack.dsn, key, many - few)
    rows.fill_naive(bench.naive.dsn, bench.user, many - few)
    at_many = _measure(bench)
    result = Result("list", f"Lists of {LIMIT}", "request", _named(at_few, few) + _named(at_many, many))
    ours, theirs = at_few[f"gateway, {CLIENTS} clients"], at_few[f"naive app, {CLIENTS} clients"]
    slow, quick = at_many["gateway, one client"], at_few["gateway, one client"]
    alone = at_few["naive app, one client"]
    result.checks = [
        bench.check("list of 50, requests/s ÷ naive app", ours.rate / theirs.rate),
        bench.check("list of 50, p50 with one client ÷ naive app", quick.latency / alone.latency),
        bench.check("list of 50, latency at 1,000,000 rows ÷ at 1,000", slow.latency / quick.latency),
    ]
    result.notes = [f"At {many:,} rows, requests/s ÷ naive app: {_ratio(at_many):.2f}."]
    return result


def _ratio(measured: dict[str, Row]) -> float:
    return measured[f"gateway, {CLIENTS} clients"].rate / measured[f"naive app, {CLIENTS} clients"].rate
