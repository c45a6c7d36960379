"""Golden bodies: exactly these members, each of its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
URL: Final = re.compile(r"https?://[^ ]+")
ETAG: Final = re.compile(r'[^" ]+')
TEXT: Final = re.compile(r".+", re.DOTALL)
STAMP: Final = r"\d{4}/\d{2}/\d{2}/\d{6}_\d{6}"

FACTS: Final = frozenset(
    {"width", "height", "orientation", "duration", "taken_at", "thumbhash", "has_location"}
)
"""Members that pictures, videos and sounds get a moment after they are stored."""

PROBLEM: Final[Mapping[str, Any]] = {
    "type": re.compile(r"urn:strongroom:problem:[A-Z_]+"),
    "title": TEXT,
    "status": int,
    "detail": TEXT,
    "code": re.compile(r"[A-Z_]+"),
    "request_id": TEXT,
    "success": False,
    "message": TEXT,
}


def check(value: Any, shape: Any, where: str = "body") -> None:
    """``shape``: a mapping (exactly its members), a list with one shape (for each item), a pattern (for the
    whole text), a type, a predicate, or the value itself.
    """
    if isinstance(shape, Mapping):
        assert isinstance(value, dict), f"{where} is no object: {value!r}"
        told = set(value) - (FACTS - set(shape))
        assert told == set(shape), f"{where}: {sorted(told ^ set(shape))} too few or too many"
        for name, expected in shape.items():
            check(value[name], expected, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where} is no list: {value!r}"
        for number, item in enumerate(value):
            check(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str), f"{where} is no text: {value!r}"
        assert shape.fullmatch(value), f"{where}: {value!r} is not {shape.pattern}"
    elif isinstance(shape, type):
        assert type(value) is shape, f"{where}: {value!r} is no {shape.__name__}"
    elif isinstance(shape, Callable):  # type: ignore[arg-type]  # a judge
        assert shape(value), f"{where}: {value!r}"
    else:
        assert value == shape, f"{where}: {value!r} is not {shape!r}"


def check_problem(reply: Any, status: int, code: str) -> dict[str, Any]:
    """Check a problem+json for ``status`` and ``code``, and return it. It may have ``metadata`` and
    ``errors``.
    """
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    members = {name: value for name, value in body.items() if name not in ("metadata", "errors")}
    check(members, PROBLEM)
    assert (body["status"], body["code"]) == (status, code), body
    assert body["message"] == body["detail"]
    assert body["request_id"] == reply.headers["x-request-id"]
    return body
