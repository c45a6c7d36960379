"""One HTTP exchange: headers, query, path, caller, body and idempotency key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from gateway.http.leaving import CLIENT, Client
from gateway.http.problems import ClientGone
from servicekit.auth.principal import Principal, effective_owner
from strongroom.errors import InvalidField, MalformedRequest, SizeLimitExceeded, UnsupportedMediaType

#: Most digits of a Content-Length that is passed to int().
_MOST_DIGITS: Final = 18


#: More query fields than this are refused, so that parsing stays cheap.
MAX_QUERY_FIELDS: Final = 100


class Query:
    """The parameters of a query string, percent-decoded.

    A parameter sent twice with different values is refused when it is read, because clients, proxies and
    services differ in which value they take. The constructor raises MalformedRequest: too many parameters, or
    not UTF-8.
    """

    __slots__ = ("_repeated", "_values")

    def __init__(self, raw: bytes) -> None:
        pairs = _pairs(raw)
        self._values = dict(pairs)
        self._repeated: frozenset[str] = frozenset()
        if len(self._values) < len(pairs):
            counts = Counter(name for name, _ in set(pairs))
            self._repeated = frozenset(name for name, count in counts.items() if count > 1)

    def get(self, name: str) -> str | None:
        """The value of ``name``; None if it is absent.

        :raises InvalidField: it has several values, under this name or the other spelling (``expires_in``,
            ``expiresIn``).
        """
        value = self._values.get(name)
        if value is None or len(self._values) + len(self._repeated) < 2:
            return value
        if name in self._repeated:
            raise InvalidField(f"{name} comes twice, with different values.", field=name, rule="repeated")
        other = _other_spelling(name)
        if other in self._repeated or self._values.get(other, value) != value:
            raise InvalidField(
                f"{name} comes twice, also as {other}, with different values.", field=name, rule="repeated"
            )
        return value

    def names(self) -> Collection[str]:
        """The names of all parameters."""
        return self._values.keys()

    def forget_empty(self, *, but: str = "") -> None:
        """Remove empty parameters, except those whose names begin with ``but``."""
        self._values = {
            name: value for name, value in self._values.items() if value or (but and name.startswith(but))
        }


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError as error:
        reason = (
            "is not UTF-8" if isinstance(error, UnicodeError) else f"has over {MAX_QUERY_FIELDS} parameters"
        )
        raise MalformedRequest(f"The query string {reason}.") from None


@lru_cache(maxsize=256)
def _other_spelling(name: str) -> str:
    """``expiresIn`` for ``expires_in``, and vice versa."""
    if "_" in name:
        return re.sub("(?<=[a-z0-9])_([a-z])", lambda found: found[1].upper(), name)
    return re.sub("(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


class Exchange:
    """A request, without the services that answer it (see ``gateway.upstream.call.Call``).

    ``path``: decoded path parameters. ``principal``: the caller. ``client``: the other end of the connection.
    ``receive``: the ASGI channel of the body.
    """

    __slots__ = (
        "_headers",
        "_query",
        "client",
        "path",
        "principal",
        "receive",
        "request_id",
        "scope",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        path: Mapping[str, str],
        principal: Principal,
        request_id: str,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.client: Client = scope.get(CLIENT) or Client()
        self.path = path
        self.principal = principal
        self.request_id = request_id
        self._headers: dict[str, str] | None = None
        self._query: Query | None = None

    def header(self, name: str) -> str | None:
        """A request header by its lower-case name; several lines are joined by ``, `` (RFC 9110
        section 5.3).
        """
        if self._headers is None:
            self._headers = header_map(self.scope)
        return self._headers.get(name)

    def refuse_encoded_body(self) -> None:
        """Refuse a compressed body.

        :raises UnsupportedMediaType: Content-Encoding is not identity (RFC 9110 section 8.4).
        """
        if (self.header("content-encoding") or "identity").strip().lower() != "identity":
            raise UnsupportedMediaType(
                "Content-Encoding is not supported on this route; send the body uncompressed."
            )

    def refuse_longer(self, most: int) -> None:
        """Refuse a body by its announced length, before any of it is read.

        :raises SizeLimitExceeded: its announced length is more than ``most`` bytes.
        """
        announced = (self.header("content-length") or "").lstrip("0")
        if len(announced) > _MOST_DIGITS or (announced.isdigit() and int(announced) > most):
            raise SizeLimitExceeded(
                f"The body announces {announced[:_MOST_DIGITS]} bytes; at most {most} are accepted here.",
                metadata={"limit": str(most)},
            )

    def has_gzip_body(self) -> bool:
        """Whether a JSON body is compressed.

        :raises UnsupportedMediaType: in another coding than gzip.
        """
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding not in {"identity", "gzip", "x-gzip"}:
            raise UnsupportedMediaType(
                "The only supported Content-Encoding is gzip; send the body as gzip or uncompressed.",
                metadata={"expected": "gzip"},
            )
        return coding != "identity"

    def query(self, name: str) -> str | None:
        """A query parameter, percent-decoded. Unknown ones are ignored, except in lists
        (``gateway.http.fields.only``).

        :raises MalformedRequest: too many parameters, or not UTF-8.
        :raises InvalidField: this one comes with several values.
        """
        return self.parameters().get(name)

    def parameters(self) -> Query:
        """All of the query. :raises MalformedRequest: too many parameters, or not UTF-8."""
        if self._query is None:
            self._query = Query(self.scope["query_string"])
        return self._query

    def query_names(self) -> Collection[str]:
        """The names of all query parameters; raises as ``parameters``."""
        return self.parameters().names()

    def user_id(self, named: str | None = None) -> str:
        """The user to act for, as in RPC requests: ``""`` means the caller.

        ``named``: a ``user_id`` of the body; None: that of the query.

        :raises UserMismatch: another user was named without the admin role.
        """
        requested = (named if named is not None else self.query("user_id")) or ""
        owner = effective_owner(self.principal, requested)
        return "" if owner == self.principal.subject else owner


def header_map(scope: Scope) -> dict[str, str]:
    """The headers of a request, names in lower case, repeated ones joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class Body:
    """A request body, read once, piece by piece. ``more``: whether another piece may come."""

    def __init__(self, exchange: Exchange) -> None:
        self._receive = exchange.receive
        self.more = True

    async def take(self) -> bytes:
        """The next piece; it may be empty.

        :raises ClientGone: the client disconnected before the end of the body.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.more = False
            raise ClientGone
        self.more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All pieces. Raises as ``take``."""
        while self.more:
            if piece := await self.take():
                yield piece


_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_key(exchange: Exchange) -> str:
    """The key, for ``UploadSpec.request_id``; ``""`` if none was sent.

    :raises InvalidField: not 1-255 visible ASCII characters.
    """
    key = exchange.header("idempotency-key")
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise InvalidField(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, a UUID for example.",
            field="Idempotency-Key",
            rule="string.pattern",
        )
    return key
