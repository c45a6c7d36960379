"""Responses: a status, headers and a body, or an object that sends itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Generic, TypeVar

from starlette.types import Receive, Scope, Send

from gateway.http.conditional import matches

Header = tuple[bytes, bytes]
Shape = TypeVar("Shape")

JSON: Final = b"application/json"
#: A browser may cache it for one user, and has to revalidate it each time.
POLLED: Final = b"private, no-cache"
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def header(name: str, value: str | int) -> Header:
    """One header field. ``value``: ASCII without control characters; callers have to escape it."""
    return name.encode("ascii"), str(value).encode("ascii")


class Reply:
    """A response with its whole body in memory. Streaming responses are subclasses with their own
    ``send_to``.

    ``codable``: text of ours that may be compressed (``gateway.http.coding``).
    """

    __slots__ = ("body", "codable", "headers", "status")

    #: Whether ``send_to`` produces the body while it sends.
    streams: ClassVar[bool] = False

    def __init__(
        self, status: int, body: bytes = b"", headers: Iterable[Header] = (), *, codable: bool = False
    ) -> None:
        self.status = status
        self.body = body
        self.headers = list(headers)
        self.codable = codable

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - streams need them
        """Send it. HEAD, 204 and 304 have no body; HEAD keeps its length (RFC 9110 section 9.3.2)."""
        if self.status not in {204, 304}:
            self.headers.append((b"content-length", b"%d" % len(self.body)))
        body = b"" if scope["method"] == "HEAD" or self.status in {204, 304} else self.body
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class JsonReply(Reply, Generic[Shape]):
    """JSON text of a ``Shape``. Handlers declare it as their return type, and a test compares its shape with
    the OpenAPI document.
    """

    __slots__ = ()


def json_reply(
    value: Shape, status: int = 200, headers: Iterable[Header] = (), *, secret: bool = False
) -> JsonReply[Shape]:
    """``value`` as JSON text in UTF-8 (RFC 8259). Never cached: it is for one caller, at one moment.

    ``secret``: it contains a credential (a signed URL, a ticket), so it is never compressed.
    """
    return json_bytes(encoded(value), status, headers, codable=not secret)


def polled_reply(value: Shape, asked: str | None) -> JsonReply[Shape]:
    """Like ``json_reply``, for responses that callers poll. ``asked``: as in ``polled_bytes``."""
    return polled_bytes(encoded(value), asked)


def polled_bytes(body: bytes, asked: str | None, tag: str | None = None) -> JsonReply[Any]:
    """JSON text, or 304 if it has not changed. ``asked``: the request's ``If-None-Match``.

    ``tag``: by default a hash of the text. It is weak, as the text may be sent in several codings.
    """
    tag = tag or hashlib.blake2b(body, digest_size=12).hexdigest()
    if asked is not None and matches(asked, tag, weak=True):
        return not_modified(tag)
    return JsonReply(200, body, [(b"content-type", JSON), *_polled(tag)], codable=True)


def not_modified(tag: str) -> JsonReply[Any]:
    """304: the caller already has the response with this tag."""
    return JsonReply(304, b"", _polled(tag), codable=True)


def _polled(tag: str) -> list[Header]:
    return [header("etag", f'W/"{tag}"'), (b"cache-control", POLLED), (b"vary", b"authorization")]


def json_bytes(
    body: bytes, status: int = 200, headers: Iterable[Header] = (), *, codable: bool = True
) -> JsonReply[Any]:
    """A response with finished JSON text."""
    return JsonReply(
        status, body, [(b"content-type", JSON), (b"cache-control", b"no-store"), *headers], codable=codable
    )


def encoded(value: Any) -> bytes:
    """``value`` as JSON text. An unpaired surrogate is written as an escape."""
    try:
        return _ENCODE(value).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False).encode("ascii")
