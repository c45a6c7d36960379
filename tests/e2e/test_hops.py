"""The number of calls between services for a request, pinned: read from their logs, by request id.

tests/integration/metadata_service/db/test_round_trips.py has the Postgres statements of each. Also the number
of reads and writes that the kernel counts for a request, all services together: a log line is a write, and
switching to a thread is a write and a read to wake the loop.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any, Final

import httpx

from tests.e2e.test_tus import BYTES, MIB, TUS, create
from tests.stack import FORM, RunningStack, Service, until

SERVICES: Final[tuple[Service, ...]] = ("storage", "metadata")
#: The service's name in log lines.
NAMES: Final[Mapping[Service, str]] = {
    "gateway": "gateway",
    "storage": "storage_service",
    "metadata": "metadata_service",
}


class Hops:
    """A user's requests, and the calls that each caused."""

    def __init__(self, stack: RunningStack, http: httpx.Client) -> None:
        self._stack = stack
        self._http = http

    def of(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> tuple[httpx.Response, list[str]]:
        """The reply, and the names of the calls, sorted."""
        request_id = f"hops-{uuid.uuid4()}"
        reply = self._http.request(
            method, path, headers={"x-request-id": request_id, **(headers or {})}, **body
        )
        assert reply.status_code < 400, reply.text
        until("the gateway has logged it", lambda: self._lines("gateway", request_id))
        calls = [
            str(line["method"]).rpartition("/")[2]
            for service in SERVICES
            for line in self._lines(service, request_id)
        ]
        return reply, sorted(calls)

    def _lines(self, service: Service, request_id: str) -> list[dict[str, object]]:
        """A service's log lines about the request, from its own file or that of the common process."""
        found = [json.loads(line) for line in self._stack.log(service).splitlines() if request_id in line]
        return [line for line in found if "method" in line and NAMES[service] == line["service"]]


def test_the_calls_of_each_request(stack: RunningStack, http: httpx.Client) -> None:
    hops = Hops(stack, http)
    reply, upload = hops.of("POST", "/api/v1/s3/upload", files={"file": ("a.txt", b"x" * 65536)})
    key = reply.json()["key"]
    _, got = hops.of("GET", f"/api/v1/s3/file/{key}")
    _, head = hops.of("HEAD", f"/api/v1/s3/file/{key}")
    _, listed = hops.of("GET", "/api/v1/s3/files")
    path = create(http, 3 * MIB)
    piece = BYTES | {"Upload-Offset": "0"}
    _, patched = hops.of("PATCH", path, headers=piece, content=bytes(MIB))
    piece["Upload-Offset"] = str(MIB)
    _, next_patched = hops.of("PATCH", path, headers=piece, content=bytes(MIB))
    _, looked = hops.of("HEAD", path, headers=TUS)
    assert upload == ["Commit", "Reserve", "Upload"]
    assert got == ["Download", "GetFile"]
    assert head == ["GetFile"]
    assert listed == ["ListFiles"]
    assert patched == ["AcquireWriter", "RecordProgress", "Upload"]
    assert next_patched == ["RecordProgress", "Upload"]  # it continues where the previous one ended
    assert looked == ["AcquireWriter", "GetSession", "GetUpload"]  # asking makes it the writer


REQUESTS: Final = 10
BATCHES: Final = 20
#: Measured in one process: 11.3, 6, 4, 5 and 7.3; in three, which also wake each other: 50, 51, 17, 18, 49.
MOST: Final[Mapping[str, Mapping[str, float]]] = {
    "one": {"upload": 13, "GET": 7, "HEAD": 5, "list": 6, "PATCH": 9},
    "three": {"upload": 65, "GET": 65, "HEAD": 25, "list": 25, "PATCH": 65},
}


def _system_calls(stack: RunningStack) -> int:
    """Reads and writes of all services so far (proc_pid_io(5): syscr, syscw), without recv(2) and send(2)."""
    pids = {stack.pid(service) for service in NAMES}
    texts = [Path(f"/proc/{pid}/io").read_text() for pid in pids]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if "sysc" in line)


def _cost(stack: RunningStack, most: float, request: Callable[[], httpx.Response]) -> float:
    """Reads and writes of one request: the minimum of some batches, because they also contain background
    work, more of it the slower the machine. Ends with the first batch that took at most ``most``.
    """
    found: list[float] = []
    while len(found) < BATCHES and min(found, default=inf) > most:
        before = _system_calls(stack)
        for _ in range(REQUESTS):
            reply = request()
            assert reply.is_success, reply.text
        found.append((_system_calls(stack) - before) / REQUESTS)
    return min(found)


def test_the_system_calls_of_each_request(stack: RunningStack, http: httpx.Client) -> None:
    def upload() -> httpx.Response:
        return http.post("/api/v1/s3/upload", files={"file": ("a.txt", b"x" * 65536)})

    path = f"/api/v1/s3/file/{upload().json()['key']}"
    pieces = iter(range(BATCHES * REQUESTS))
    session = create(http, BATCHES * REQUESTS * 1024)

    def patch() -> httpx.Response:
        piece = BYTES | {"Upload-Offset": str(next(pieces) * 1024)}
        return http.patch(session, headers=piece, content=bytes(1024))

    requests: Mapping[str, Callable[[], httpx.Response]] = {
        "upload": upload,
        "GET": lambda: http.get(path),
        "HEAD": lambda: http.head(path),
        "list": lambda: http.get("/api/v1/s3/files"),
        "PATCH": patch,
    }
    costs = {name: _cost(stack, MOST[FORM][name], request) for name, request in requests.items()}
    assert {name: cost for name, cost in costs.items() if cost > MOST[FORM][name]} == {}
