"""A stack's log of a tour with failures: one schema, a line per request, a reason for each failure."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from servicekit.telemetry.logs import POLLING
from tests.e2e.belongings import upload
from tests.e2e.conftest import Login
from tests.e2e.test_damage import is_whole, rot
from tests.stack import RunningStack, Service, until

TIME: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SERVICES: Final = {"gateway", "storage_service", "metadata_service", "strongroom"}
LEVELS: Final = {"debug", "info", "warning", "error"}
#: On standard output for the starter of the process: it is ready.
READY: Final = re.compile(r"\w+ listening on \S+")


def lines(stack: RunningStack) -> Iterator[dict[str, Any]]:
    """Everything logged by the services, without unfinished lines."""
    services: tuple[Service, ...] = ("gateway", "storage", "metadata")
    for path in {stack.log_path(name) for name in services}:
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n") and not READY.fullmatch(line.strip()):
                yield json.loads(line)


def of(stack: RunningStack, request_id: str, service: str, event: str) -> list[dict[str, Any]]:
    found = [line for line in lines(stack) if line.get("request_id") == request_id]
    return [line for line in found if line["service"] == service and line["event"] == event]


@pytest.fixture
def tour(stack: RunningStack, login: Login, user: str) -> dict[str, str]:
    """Request ids of the steps, by name."""
    http, ids = login(user), {name: uuid.uuid4().hex for name in ("put", "get", "none", "stranger", "rot")}
    body = f"<!doctype html><title>{uuid.uuid4()}</title>".encode()
    files = upload(body, "a.html", "text/html")
    stored = http.post("/api/v1/s3/upload", files=files, headers={"x-request-id": ids["put"]}).json()
    path = f"/api/v1/s3/file/{stored['key']}"
    assert http.get(path, headers={"x-request-id": ids["get"]}).content == body
    assert http.get(path + "x", headers={"x-request-id": ids["none"]}).status_code == 404
    refused = {"x-request-id": ids["stranger"], "authorization": "Bearer nonsense"}
    assert http.get(path, headers=refused).status_code == 401
    rot(stack, body)
    http.headers["x-request-id"] = ids["rot"]
    assert not is_whole(http, path)
    until("the last is logged", lambda: of(stack, ids["rot"], "gateway", "request"))
    return ids


def test_a_tour_with_failures(stack: RunningStack, tour: dict[str, str]) -> None:
    for line in lines(stack):
        assert TIME.fullmatch(line["ts"]), line
        assert line["level"] in LEVELS, line
        assert line["service"] in SERVICES, line
        assert line["event"], line
    (put,) = of(stack, tour["put"], "gateway", "request")
    (stored,) = of(stack, tour["put"], "storage_service", "rpc")
    assert (put["level"], put["status"]) == ("info", 201)
    assert put["received"] > 0
    assert put["sent"] > 0
    assert put["ms"] > 0
    assert uuid.UUID(put["file_id"]) == uuid.UUID(stored["file_id"])
    assert stored["received"] > 0
    (got,) = of(stack, tour["get"], "gateway", "request")
    assert got["file_id"] == put["file_id"]
    (none,) = of(stack, tour["none"], "gateway", "request")
    assert (none["level"], none["reason"]) == ("info", "FILE_NOT_FOUND")
    (behind,) = of(stack, tour["none"], "storage_service", "rpc")
    assert (behind["code"], behind["reason"]) == ("NOT_FOUND", "FILE_NOT_FOUND")
    (stranger,) = of(stack, tour["stranger"], "gateway", "request")
    assert (stranger["level"], stranger["reason"]) == ("warning", "TOKEN_INVALID")
    (damaged,) = of(stack, tour["rot"], "storage_service", "object_damaged")
    assert damaged["level"] == "error"
    assert damaged["key"].startswith("uploads/")


def test_polling_is_quiet(stack: RunningStack, tour: dict[str, str]) -> None:
    methods = {line.get("method", "") for line in lines(stack) if line["event"] == "rpc"}
    assert tour["put"]
    assert not {name for name in methods if name.rpartition("/")[2] in POLLING}
