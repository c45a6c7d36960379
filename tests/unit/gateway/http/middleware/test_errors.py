"""A request is one log line, whatever its result."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import structlog

from gateway.families.tus.errors import as_tus
from gateway.http.leaving import Draining
from gateway.http.middleware import access
from gateway.http.middleware.errors import Problems
from gateway.http.problems import Truncated
from gateway.metrics import Metrics
from servicekit.context import RequestContext, bind, note_message
from servicekit.telemetry.logs import Sink
from strongroom.errors import (
    DeadlineExceeded,
    FileNotFound,
    ObjectArchived,
    ObjectStoreRefused,
    Overloaded,
    RateLimited,
    ServiceUnavailable,
    SourceUrlFailed,
    StrongroomError,
)


async def lines_of(
    monkeypatch: pytest.MonkeyPatch, app: Any, metrics: Metrics | None = None
) -> list[dict[str, Any]]:
    written = io.StringIO()
    monkeypatch.setattr(access, "sink", lambda: Sink("gateway", stream=written))
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}

    async def nothing(*_: Any) -> Any:
        return {"type": "http.disconnect"}

    with structlog.testing.capture_logs() as others, bind(RequestContext("r")):
        whole = access.AccessLog(Problems(app, Draining()), metrics or Metrics())
        await whole(scope, nothing, nothing)
    return [*others, *(json.loads(line) for line in written.getvalue().splitlines())]


async def test_what_is_ours_to_mend_says_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        error = ServiceUnavailable("The service is away.")
        error.transport_details = "connection refused: 127.0.0.1:1"
        raise error

    (line,) = await lines_of(monkeypatch, away)
    assert (line["event"], line["status"], line["level"]) == ("request", 503, "error")
    assert line["reason"] == "SERVICE_UNAVAILABLE"
    assert line["message"] == "The service is away. (connection refused: 127.0.0.1:1)"


async def test_a_limit_that_tus_calls_overload_is_counted_as_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise one user could burn the error budget of uploads."""

    async def limited(*_: Any) -> None:
        raise as_tus(RateLimited("Too many.", retry_after=1.0, metadata={"limit": "user_requests"}))

    async def overloaded(*_: Any) -> None:
        raise Overloaded("The service is busy.", retry_after=1.0)

    metrics = Metrics()
    (line,) = await lines_of(monkeypatch, limited, metrics)
    assert (line["status"], line["level"], line["reason"]) == (503, "warning", "OVERLOADED")
    assert 'status="429"} 1.0' in metrics.render().decode()
    assert 'status="503"' not in metrics.render().decode()
    (line,) = await lines_of(monkeypatch, overloaded, metrics)
    assert (line["status"], line["level"]) == (503, "error")
    assert 'status="503"} 1.0' in metrics.render().decode()


async def test_a_file_that_its_owner_has_archived_is_no_failure_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise its owner could burn the error budget of downloads."""

    async def archived(*_: Any) -> None:
        raise ObjectArchived("Being restored.", retry_after=1.0)

    metrics = Metrics()
    (line,) = await lines_of(monkeypatch, archived, metrics)
    assert (line["status"], line["level"], line["reason"]) == (503, "info", "OBJECT_ARCHIVED")
    assert 'status="409"} 1.0' in metrics.render().decode()


@pytest.mark.parametrize(
    "error",
    [Overloaded("You don't read."), DeadlineExceeded("You took nothing."), FileNotFound("You deleted it.")],
)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_reader_that_stops_or_deletes_is_no_failure_of_ours(
    monkeypatch: pytest.MonkeyPatch, error: StrongroomError, *, wrapped: bool
) -> None:
    async def stalled(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if wrapped:
            raise Truncated("3 bytes before the end") from error
        raise error

    (line,) = await lines_of(monkeypatch, stalled)
    assert (line["status"], line["level"]) == (200, "warning")
    assert "answer broken off" in line["message"]


@pytest.mark.parametrize(
    ("error", "level"), [(SourceUrlFailed("It hung up."), "info"), (ObjectStoreRefused("No."), "error")]
)
async def test_a_source_that_fails_is_no_failure_of_ours(
    monkeypatch: pytest.MonkeyPatch, error: StrongroomError, level: str
) -> None:
    async def failing(*_: Any) -> None:
        raise error

    (line,) = await lines_of(monkeypatch, failing)
    assert (line["status"], line["level"]) == (502, level)


@pytest.mark.parametrize(("status", "level"), [(501, "info"), (505, "info"), (503, "error"), (400, "info")])
def test_what_is_no_http_is_no_failure_of_ours(
    monkeypatch: pytest.MonkeyPatch, status: int, level: str
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(access, "sink", lambda: Sink("gateway", stream=written))
    access.note_refused(Metrics(), RequestContext("r"), status, None)
    assert json.loads(written.getvalue())["level"] == level


async def test_what_is_the_callers_says_no_more_than_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(*_: Any) -> None:
        raise FileNotFound("There is no file ada/secret.txt.")

    (line,) = await lines_of(monkeypatch, missing)
    assert (line["status"], line["reason"], line.get("message")) == (404, "FILE_NOT_FOUND", None)


@pytest.mark.parametrize(
    ("error", "why", "level"),
    [
        (
            Truncated("3 bytes before the end: SERVICE_UNAVAILABLE"),
            "3 bytes before the end: SERVICE_UNAVAILABLE",
            "error",
        ),
        (ServiceUnavailable("The service is away."), "The service is away.", "error"),
        (FileNotFound("There is no file ada/secret.txt."), "status 404", "warning"),
    ],
)
async def test_an_answer_that_breaks_off_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str, level: str
) -> None:
    async def broken(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    (line,) = await lines_of(monkeypatch, broken)
    assert (line["status"], line["level"]) == (200, level)
    assert line["message"] == f"answer broken off: {why}"


async def test_what_an_answer_lacks_stands_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(_: Any, __: Any, send: Any) -> None:
        note_message("answered without URLs: away")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    (line,) = await lines_of(monkeypatch, answered)
    assert (line["status"], line["level"], line["message"]) == (200, "info", "answered without URLs: away")
