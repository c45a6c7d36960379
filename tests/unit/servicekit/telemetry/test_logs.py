"""Lines are JSON whatever they contain, and credentials are removed."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from servicekit.telemetry import logs
from servicekit.telemetry.logs import configure_logging, redact, sink
from tests.unit.servicekit.forge import token


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines of a test go; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, sink()
    configured = structlog.get_config()
    target = io.StringIO()
    configure_logging("echo", "info", target)
    yield target
    root.handlers[:], logs._current_sink[0] = handlers, before
    root.setLevel(level)
    structlog.configure(**configured)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_a_line_says(stream: io.StringIO) -> None:
    request = RequestContext("req-1", method="/a.B/C", principal=Principal("alice", token=token()))
    with bind(request):
        structlog.get_logger().info("stored", size=5)
    structlog.get_logger().warning("alone")
    first, second = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("ts"))
    assert first == {
        "event": "stored", "size": 5, "level": "info", "service": "echo",
        "request_id": "req-1", "method": "/a.B/C", "user": "alice",
    }  # fmt: skip
    assert (second["event"], second["level"]) == ("alone", "warning")
    assert "request_id" not in second


def test_levels(stream: io.StringIO) -> None:
    structlog.get_logger().debug("quiet")
    sink().rpc(RequestContext("r"), "OK", 0.1, "debug")
    assert lines(stream) == []


def test_rpc_lines(stream: io.StringIO) -> None:
    who = Principal("alice", internal="storage_service")
    sink().rpc(RequestContext("r", method="/a.B/C", principal=who), "NOT_FOUND", 0.01234, "info")
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info", "event": "rpc", "service": "echo", "request_id": "r", "method": "/a.B/C",
        "code": "NOT_FOUND", "ms": 12.34, "user": "alice", "caller": "storage_service",
    }  # fmt: skip


def test_what_guests_do_is_told_from_what_the_owner_does(stream: io.StringIO) -> None:
    for lent in (True, False):
        request = RequestContext("r", method="/a.B/C", principal=Principal("alice", lent=lent))
        with bind(request):
            structlog.get_logger("x").info("hello")
        sink().rpc(request, "OK", 0.0, "info")
        for line in map(json.loads, stream.getvalue().splitlines()[-2:]):
            assert (line["user"], line.get("lent", False)) == ("alice", lent)


def test_http_lines(stream: io.StringIO) -> None:
    request = RequestContext("r", method="GET /files", principal=Principal("alice"))
    sink().http(request, {"status": 200, "path": '/a"b'}, "info")
    sink().http(None, {"status": 400}, "info")
    sink().http(None, {"status": 200}, "debug")
    first, second = lines(stream)
    assert first.pop("ts")
    assert first == {
        "level": "info", "event": "request", "service": "echo", "request_id": "r", "method": "GET /files",
        "user": "alice", "status": 200, "path": '/a"b',
    }  # fmt: skip
    assert second["status"] == 400


@given(st.text())
def test_user_text_cannot_forge_a_line(text: str) -> None:
    target = io.StringIO()
    before = sink()
    try:
        logs._current_sink[0] = logs.Sink("echo", "info", target)
        sink().rpc(RequestContext("r", principal=Principal(text)), "OK", 0.0, "info")
        sink().write(logs._render(None, "", {"event": "x", "name": text}))
    finally:
        logs._current_sink[0] = before
    got = target.getvalue()
    assert got.isascii()
    assert len(got.splitlines()) == 2
    assert json.loads(got.splitlines()[0])["user"] == text


def test_standard_logging_comes_out_alike(stream: io.StringIO) -> None:
    with bind(RequestContext("req-1")):
        logging.getLogger("grpc._server").error("it %s", "broke")
    logging.getLogger("httpx").info("HTTP Request: GET https://id.example/?token=x")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["request_id"]) == ("it broke", "error", "req-1")


def test_a_caller_that_leaves_before_its_answer_is_no_error(stream: io.StringIO) -> None:
    grpc = logging.getLogger("grpc._cython.cygrpc")
    grpc.error("ExecuteBatchError raised in core by servicer method [/a.B/C]")
    grpc.error("Unexpected [KeyError] raised by servicer method [/a.B/C]")
    assert [line["event"] for line in lines(stream)] == [
        "Unexpected [KeyError] raised by servicer method [/a.B/C]"
    ]


def test_an_answer_that_is_broken_off_has_one_line(stream: io.StringIO) -> None:
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.error("ASGI callable returned without completing response.")
    uvicorn.error("Exception in ASGI application")
    assert [line["event"] for line in lines(stream)] == ["Exception in ASGI application"]


def test_stacks_are_there_and_their_credentials_are_not(stream: io.StringIO) -> None:
    error = ConnectionError(f"postgresql://strongroom:hunter2@db/x with Bearer {token()}")
    structlog.get_logger().error("failed", exc_info=error)
    logging.getLogger("lib").error("failed", exc_info=error)
    for line in lines(stream):
        assert "ConnectionError: postgresql://***@db/x" in line["exception"]
    assert "hunter2" not in stream.getvalue()
    assert "eyJ" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://u:p%40ss@h:5432/d", "postgres://***@h:5432/d"),
        ("https://h/path?X-Amz-Signature=abc&x=1", "https://h/path?X-Amz-Signature=***&x=1"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("authorization: Bearer abc.def", "authorization: Bearer ***"),
        ("token eyJhbGciOiJI.eyJzdWIi.c2ln end", "token *** end"),
        ("/files/eyJhbGciOiJI.eyJzdWIiOi", "/files/***"),  # cut off
        ("postgresql+psycopg://u:p:q@h/d", "postgresql+psycopg://***@h/d"),
        ("http://h:80/a@b", "http://h:80/a@b"),
        ("GET /s/n3N0mG1fTq9vX2c7pQk4dB1sZ0E/none", "GET /s/***/none"),
        ("https://h/root/S/n3N0mG1fTq9vX2c7pQk4dB1sZ0E?x=1", "https://h/root/S/***?x=1"),
        ("nothing here", "nothing here"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 32_000 + " ://", "a://" * 8_000, ":" * 32_000 + " ://"),
        *("-eyJ" * 8_000, "eyJ.eyJ" * 5_000),
        *("bearer" + " " * 32_000, "/l/" * 10_000, "password=" * 4_000),
    ],
)
def test_a_text_that_almost_holds_a_secret_is_searched_once(text: str) -> None:
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 1  # it was 3 s and more


def test_a_reader_that_went_away_fails_no_request() -> None:
    closed = io.StringIO()
    closed.close()
    gone = logs.Sink("echo", "info", closed)
    gone.rpc(RequestContext("r"), "OK", 0.0, "info")
    assert gone._stream is None
