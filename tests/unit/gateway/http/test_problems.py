"""Errors as problem+json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.http.problems import problem_for, problem_for_bug, raw_problem
from gateway.http.reply import Reply
from servicekit.context import RequestContext, bind
from strongroom.errors import (
    REASONS,
    FileNotFound,
    InvalidField,
    MethodNotAllowed,
    RangeNotSatisfiable,
    RateLimited,
    RequestInProgress,
    ServiceUnavailable,
    StrongroomError,
    TokenExpired,
    TokenMissing,
)

MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "success", "message"}


def parts(reply: Reply) -> tuple[dict[str, Any], dict[str, str]]:
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return json.loads(reply.body), headers


@pytest.mark.parametrize("kind", REASONS.values(), ids=lambda kind: kind.__name__)
def test_every_reason(kind: type[StrongroomError]) -> None:
    reply = problem_for(kind("What happened."), "id-1")
    body, headers = parts(reply)
    assert set(body) == MEMBERS
    assert reply.status == body["status"] == kind.http_status
    assert body["detail"] == body["message"] == "What happened."
    assert body["success"] is False
    assert body["request_id"] == "id-1"
    assert body["type"] == f"urn:strongroom:problem:{body['code']}"
    assert headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in headers) == (reply.status == 401)
    assert ("retry-after" in headers) == (reply.status in {429, 503, 504})
    assert ("allow" in headers) == (reply.status == 405)


def test_challenges() -> None:
    assert parts(problem_for(TokenMissing("x"), ""))[1]["www-authenticate"] == "Bearer"
    expired = parts(problem_for(TokenExpired("x"), ""))[1]["www-authenticate"]
    assert expired == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("given", "wanted"), [(None, "2"), (0.0, "1"), (0.2, "1"), (2.5, "3"), (1e9, "86400")]
)
def test_retry_after_is_whole_seconds(given: float | None, wanted: str) -> None:
    for kind in (RateLimited, ServiceUnavailable):
        assert parts(problem_for(kind("x", retry_after=given), ""))[1]["retry-after"] == wanted


def test_retry_after_where_the_error_says_so() -> None:
    assert parts(problem_for(RequestInProgress("x", retry_after=1.5), ""))[1]["retry-after"] == "2"


def test_fields_are_named() -> None:
    body, _ = parts(problem_for(InvalidField("too long", field="title", rule="max_len"), ""))
    assert body["metadata"] == {"field": "title", "rule": "max_len"}
    assert body["errors"] == [{"field": "title", "rule": "max_len", "message": "too long"}]


def test_range_and_method_headers() -> None:
    assert (
        parts(problem_for(RangeNotSatisfiable("x", metadata={"size": "10"}), ""))[1]["content-range"]
        == "bytes */10"
    )
    assert (
        "content-range" not in parts(problem_for(RangeNotSatisfiable("x", metadata={"size": "1\r\n"}), ""))[1]
    )
    assert parts(problem_for(MethodNotAllowed("x", metadata={"allow": "GET\r\nX: y"}), ""))[1]["allow"] == ""


def test_a_trace_is_named() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with bind(RequestContext("id-1", traceparent=f"00-{trace}-b7ad6b7169203331-01")):
        for reply in (problem_for(FileNotFound("Gone."), "id-1"), problem_for_bug("id-1")):
            body, _ = parts(reply)
            assert body["trace_id"] == trace
            assert set(body) == MEMBERS | {"trace_id"}
    with bind(RequestContext("id-2")):
        assert set(parts(problem_for(FileNotFound("Gone."), "id-2"))[0]) == MEMBERS


def test_a_bug_says_nothing_but_the_request_id() -> None:
    body, _ = parts(problem_for_bug("id-9"))
    assert (body["status"], body["code"]) == (500, "INTERNAL")
    assert "id-9" in body["detail"]


def test_transport_details_stay_inside() -> None:
    error = ServiceUnavailable("A service does not answer.")
    error.transport_details = "ipv4:10.0.0.7:50051 refused"
    assert b"10.0.0.7" not in problem_for(error, "").body


def test_lone_surrogates_do_not_break_the_answer() -> None:
    assert json.loads(problem_for(FileNotFound("a\ud800b"), "").body)["detail"] == "a?b"


def test_raw_problem_is_a_whole_answer() -> None:
    head, _, body = raw_problem(503, "OVERLOADED", "Too many.", "id-1", retry_after=2).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert f"content-length: {len(body)}" in lines
    assert {"connection: close", "retry-after: 2", "x-request-id: id-1"} <= set(lines)
    assert set(json.loads(body)) == MEMBERS
