"""The only module that turns errors into HTTP: ``application/problem+json`` (RFC 9457).

Every problem has ``type, title, status, detail, code, request_id`` and, for older clients, ``success: false``
and ``message`` (the text of ``detail``); with tracing also ``trace_id``. ``code`` is the ErrorReason;
``errors`` names fields; ``metadata`` has the keys that ``error_reason.proto`` documents for the reason.
Nothing else of an exception is shown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.reply import Header, Reply, header
from gateway.http.shapes import example
from servicekit.context import current
from strongroom.errors import (
    Internal,
    MethodNotAllowed,
    RangeNotSatisfiable,
    StrongroomError,
    TokenMissing,
)


class FieldError(TypedDict):
    """One broken rule."""

    field: Annotated[str, Field(description="The invalid field.")]
    rule: Annotated[str, Field(description="The rule, for programs.")]
    message: Annotated[str, Field(description="What is wrong, for people.")]


EXAMPLE: Problem = {
    "type": "urn:strongroom:problem:FILE_NOT_FOUND",
    "title": "File not found",
    "status": 404,
    "detail": "There is no such file.",
    "code": "FILE_NOT_FOUND",
    "request_id": "7f3c1d2ab6e04f5e9a43c0d1e2f3a4b5",
    "success": False,
    "message": "There is no such file.",
}


@example(EXAMPLE)
class Problem(TypedDict):
    """RFC 9457, with `success` and `message` for older clients."""

    type: Annotated[
        str, Field(description="URI of the kind of problem: `urn:strongroom:problem:` and the code.")
    ]
    title: Annotated[str, Field(description="The kind of problem, for people.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What happened and what to do.")]
    code: Annotated[str, Field(description="The kind of problem, for programs.")]
    request_id: Annotated[str, Field(description="Quote it when asking for help; every log line has it.")]
    success: Literal[False]
    message: Annotated[str, Field(description="The same as `detail`.")]
    trace_id: NotRequired[
        Annotated[
            str,
            Field(description="Trace id of the request, 32 hex digits, if tracing is on or one was sent."),
        ]
    ]
    metadata: NotRequired[
        Annotated[dict[str, str], Field(description="Details defined by the code, such as the limit.")]
    ]
    errors: NotRequired[Annotated[list[FieldError], Field(description="The invalid fields.")]]


PROBLEM_JSON: Final = "application/problem+json"
#: Seconds, for a 503, 504 or 429 without a value of its own.
DEFAULT_RETRY_AFTER: Final = 2.0
TYPE_PREFIX: Final = "urn:strongroom:problem:"
#: Fields of protos that have other names in REST; see ``strongroom.field_names``.
REST_NAMES: Final[Mapping[str, str]] = {
    "expire_time": "expires_at",
    "expires_in_seconds": "expires_in",
    "file_id": "id",
    "key_prefix": "prefix",
    "part_crc32c": "part_checksums",
    "query": "q",
    "request_id": "Idempotency-Key",
    "resume_token": "last_event_id",
    "settings_json": "settings",
    "size_bytes": "size",
    "ttl": "ttl_seconds",
}
_TEXT_HEADER: Final = re.compile(r"[\x20-\x7e]*")


class ClientGone(Exception):
    """The client closed the connection (or was too slow); no response can be sent."""


class Truncated(Exception):
    """The bytes ended early after the response had begun: the connection has to be closed without finishing
    the response.
    """


def problem_for(error: StrongroomError, request_id: str) -> Reply:
    """The response for ``error``; its status, code and headers come from its class."""
    return problem_reply(error, problem_body(error, request_id))


def problem_for_bug(request_id: str) -> Reply:
    """The response to an unexpected exception. It only says where to look."""
    text = f"Something went wrong inside the gateway; its log has the reason under request id {request_id}."
    return problem_for(Internal(text), request_id)


def problem_body(error: StrongroomError, request_id: str) -> Problem:
    """The members of the problem for ``error``, in reading order. Routes may add members."""
    body = _members(error.http_status, error.reason_name, error.message, request_id)
    request = current()
    if request is not None and request.traceparent:
        body["trace_id"] = request.trace_id
    if error.metadata:
        body["metadata"] = dict(error.metadata)
    if error.violations:
        body["errors"] = [
            {"field": one.field, "rule": one.rule, "message": one.message} for one in error.violations
        ]
    return body


def problem_reply(error: StrongroomError, body: Problem) -> Reply:
    """``body`` with the status and headers of ``error``. Also notes the error's reason for the request's log
    line.
    """
    request = current()
    if request is not None:
        request.reason = error.reason_name
    headers: list[Header] = [header("content-type", PROBLEM_JSON), header("cache-control", "no-store")]
    headers.extend(_extra_headers(error))
    return Reply(error.http_status, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), headers)


def _members(status: int, code: str, detail: str, request_id: str) -> Problem:
    return {
        "type": TYPE_PREFIX + code,
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        "success": False,
        "message": detail,
    }


def raw_problem(
    status: int, code: str, detail: str, request_id: str, *, retry_after: int | None = None
) -> bytes:
    """A complete HTTP/1.1 response, for connections without a request."""
    body = json.dumps(_members(status, code, detail, request_id)).encode("ascii")
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {PROBLEM_JSON}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    if retry_after is not None:
        head.append(f"retry-after: {retry_after}")
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body


def _extra_headers(error: StrongroomError) -> list[Header]:
    """The headers that the status requires: RFC 6750 section 3 for 401, RFC 9110 for 405, 416, 429, 503 and
    504.
    """
    found: list[Header] = []
    if error.http_status == 401:
        challenge = "Bearer" if isinstance(error, TokenMissing) else 'Bearer error="invalid_token"'
        found.append(header("www-authenticate", challenge))
    if isinstance(error, MethodNotAllowed):
        found.append(header("allow", _safe(error.metadata.get("allow", ""))))
    if isinstance(error, RangeNotSatisfiable) and error.metadata.get("size", "").isdecimal():
        found.append(header("content-range", f"bytes */{error.metadata['size']}"))
    retry_after = error.retry_after
    if retry_after is None and error.http_status in {429, 503, 504}:
        retry_after = DEFAULT_RETRY_AFTER
    if retry_after is not None:
        found.append(header("retry-after", max(1, math.ceil(min(retry_after, 86400.0)))))
    return found


def _safe(value: str) -> str:
    return value if _TEXT_HEADER.fullmatch(value) else ""
