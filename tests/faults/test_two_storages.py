"""One of two storage services is frozen: once it is left out, clients don't notice."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.faults.cell import Cell
from tests.faults.client import http_client
from tests.faults.test_outages import frozen
from tests.stack import until

WORKERS = 4
TRIES = 100
SERVED = 10 * WORKERS
LONGEST_SECONDS = 40.0


def test_a_frozen_one_of_two_costs_nobody_more_than_a_retry(cell: Cell) -> None:
    cell.run()
    with (
        cell.second_storage() as second,
        cell.second_gateway(cell.storage_address, second) as url,
        http_client(cell, "two", url) as http,
    ):
        key = put(http).json()["key"]

        def first_try(number: int) -> tuple[int, float]:
            """An upload or a download alternately; its status and its duration."""
            began = time.monotonic()
            reply = put(http) if number % 2 else http.get(f"/api/v1/s3/file/{key}")
            return reply.status_code, time.monotonic() - began

        with frozen(cell, "storage-2"), ThreadPoolExecutor(WORKERS) as pool:
            early: list[tuple[int, float]] = []

            def left_out() -> bool:
                """Each of the last ones was served, so the frozen one gets no requests."""
                early.extend(pool.map(first_try, range(WORKERS)))
                last = early[-SERVED:]
                return len(last) == SERVED and all(status in {200, 201} for status, _ in last)

            until("the frozen one is left out", left_out, pause=0.25)
            late = list(pool.map(first_try, range(TRIES)))
            assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    slowest = max(seconds for _, seconds in early + late)
    good = sum(status in {200, 201} for status, _ in late)
    sys.stdout.write(
        f"{good} of {TRIES} first tries, {len(early)} before; the slowest took {slowest:.1f} s\n"
    )
    assert good >= 0.99 * TRIES
    assert {status for status, _ in early} <= {200, 201, 503}
    assert slowest < LONGEST_SECONDS


def put(http: httpx.Client) -> httpx.Response:
    """A small upload."""
    return http.post(
        "/api/v1/s3/upload", files={"file": ("a.txt", b"text", "text/plain")}, data={"folder": "uploads"}
    )
