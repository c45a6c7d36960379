"""Answers: a status, headers and a body, or something that sends itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

from starlette.types import Receive, Scope, Send

Header = tuple[bytes, bytes]
Shape = TypeVar("Shape")

JSON: Final = b"application/json"
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def header(name: str, value: str | int) -> Header:
    """One header field. ``value`` is ASCII without control characters: callers escape before
    they get here.
    """
    return name.encode("ascii"), str(value).encode("ascii")


class Reply:
    """An answer with its whole body at hand. Answers that stream are subclasses with their own
    ``send_to``.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Iterable[Header] = ()) -> None:
        self.status = status
        self.body = body
        self.headers = list(headers)

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - streams need them
        """Send the answer. A body on HEAD, 204 and 304 is left out; HEAD keeps its length (RFC 9110 section
        9.3.2).
        """
        if self.status not in {204, 304}:
            self.headers.append((b"content-length", b"%d" % len(self.body)))
        body = b"" if scope["method"] == "HEAD" or self.status in {204, 304} else self.body
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class JsonReply(Reply, Generic[Shape]):
    """JSON text of a ``Shape``. A handler that answers one says so, and its part of the OpenAPI document
    names the same shape (a test compares).
    """

    __slots__ = ()


def json_reply(value: Shape, status: int = 200, headers: Iterable[Header] = ()) -> JsonReply[Shape]:
    """``value`` as JSON text in UTF-8 (RFC 8259). Half a surrogate pair stays the escape it came as."""
    try:
        body = _ENCODE(value).encode("utf-8")
    except UnicodeEncodeError:
        body = json.dumps(value, allow_nan=False).encode("ascii")
    return json_bytes(body, status, headers)


def json_bytes(body: bytes, status: int = 200, headers: Iterable[Header] = ()) -> JsonReply[Any]:
    """JSON text that is ready to send. Never kept by caches: it is about one caller, at one moment."""
    return JsonReply(status, body, [(b"content-type", JSON), (b"cache-control", b"no-store"), *headers])
