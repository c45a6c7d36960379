"""What all requests and responses have: a request id, and headers that keep browsers from guessing types,
framing and leaking; on open paths also the permission to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.reply import Header, Reply, header
from servicekit.context import RequestContext, clean_request_id, clean_traceparent, set_current

#: Scope key: the request's id, for code that answers in the application's place.
REQUEST_ID: Final = "strongroom.request_id"


_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_CORP: Final = (b"cross-origin-resource-policy", b"same-origin")
_DATA: Final = (b"application/json", b"application/problem+json", b"text/plain")


class EveryRequest:
    """Gives every request an id, the caller's ``X-Request-Id`` if it is well-formed, and begins its context
    (logs, outgoing calls).

    Every response repeats the id and gets protective headers: data formats also a policy that allows nothing
    to run, and responses without a ``Cache-Control`` become uncacheable. Headers that a response sets itself
    stay.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        context = RequestContext(clean_request_id(given), traceparent=clean_traceparent(traceparent))
        set_current(context)
        scope[REQUEST_ID] = context.request_id
        echo = (b"x-request-id", context.request_id.encode("ascii"))

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_completed(message["headers"]), echo]
            await send(message)

        await self._app(scope, receive, send_completed)


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    present = dict(headers)
    found = [*headers, *_ALWAYS]
    if b"cross-origin-resource-policy" not in present:
        found.append(_CORP)
    if b"cache-control" not in present:
        found.append(_NOT_KEPT)
    if b"content-security-policy" not in present and present.get(b"content-type", b"").startswith(_DATA):
        found.append(_POLICY)
    return found


_ANY_ORIGIN: Final = header("access-control-allow-origin", "*")
_ANY_PAGE: Final = header("cross-origin-resource-policy", "cross-origin")
_PREFLIGHT: Final = (
    _ANY_ORIGIN,
    header("access-control-allow-methods", "GET, HEAD"),
    header("access-control-allow-headers", "*"),
    header("access-control-max-age", "86400"),
)


class OpenToPages:
    """Lets pages of any origin read what a capability in the URL grants.

    These paths ignore credentials, so ``Access-Control-Allow-Origin: *`` grants nothing that the URL does
    not. It replaces the configured CORS of the rest of the API.
    """

    def __init__(self, app: ASGIApp, exposed: Sequence[str]) -> None:
        self._app = app
        self._exposed = header("access-control-expose-headers", ", ".join(exposed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and _asks(scope, b"access-control-request-method"):
            await Reply(204, b"", [*_PREFLIGHT]).send_to(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._completed(message["headers"])}
            await send(message)

        await self._app(scope, receive, opened)

    def _completed(self, headers: list[Header]) -> list[Header]:
        known = any(name == _ANY_PAGE[0] for name, _ in headers)
        return [*headers, _ANY_ORIGIN, self._exposed, *(() if known else (_ANY_PAGE,))]


def _asks(scope: Scope, name: bytes) -> bool:
    return any(found == name for found, _ in scope["headers"])
