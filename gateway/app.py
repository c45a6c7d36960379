"""The ASGI application: the route table, wrapped in the layers that every request passes through.

Order, outermost first: request ids and headers of all responses, access log and metrics, early replies,
layers by path (CORS, tus), problems, routes. Problems are inside of CORS, so that pages of other origins can
read them; early replies are outside of everything that may answer before the body is read.

docs/decisions/0031-routes-without-starlette.md says why neither FastAPI nor Starlette's router is used.
pydantic validates bodies and describes them, ``gateway.operations.openapi`` generates the document, and
Starlette supplies the ASGI types and CORS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.families.links.reading import PREFIX as LINK_PREFIX
from gateway.families.notifications.websocket import WebSockets
from gateway.families.tus.errors import as_tus
from gateway.families.tus.headers import PREFIX as TUS_PREFIX
from gateway.families.tus.headers import UPLOAD_PATH
from gateway.families.tus.protocol import TusProtocol
from gateway.http.coding import send_coded
from gateway.http.leaving import CLIENT
from gateway.http.middleware.access import ROUTE, AccessLog, SocketLog
from gateway.http.middleware.early_reply import EarlyReplies
from gateway.http.middleware.errors import Problems
from gateway.http.middleware.headers import EveryRequest, OpenToPages
from gateway.http.reply import Reply, header
from gateway.operations.admission import Admission, refuse_scripts
from gateway.operations.preconditions import refuse_unjudged
from gateway.operations.routing import RouteTable
from gateway.surface import all_operations
from gateway.upstream.call import Call, Services
from servicekit.context import current
from servicekit.limits import Holds
from strongroom.errors import RateLimited, StrongroomError

#: Response headers that pages of other origins may read.
EXPOSED_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Last-Modified",
    "Location",
    "Repr-Digest",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "WWW-Authenticate",
    "X-Amz-Checksum-Crc32c",
    "X-Request-Id",
)
CORS_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def build_app(services: Services) -> ASGIApp:
    """Build the application on ``services``."""
    settings = services.settings
    plain = Problems(Dispatcher(services, RouteTable(all_operations())), services.draining)
    tus = _for_origins(TusProtocol(plain), settings.cors_origins)
    app: ASGIApp = ByPath(
        {LINK_PREFIX: OpenToPages(plain, EXPOSED_HEADERS), TUS_PREFIX: tus, f"{TUS_PREFIX}/": tus},
        otherwise=_for_origins(plain, settings.cors_origins),
    )
    app = EarlyReplies(
        app, services.draining, limit=settings.drain_body_bytes, seconds=settings.drain_body_seconds
    )
    app = AccessLog(app, services.metrics)
    return Entrance(EveryRequest(app), EveryRequest(SocketLog(WebSockets(services), services.metrics)))


def _for_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """``app`` with CORS for ``origins``, if there are any."""
    if not origins:
        return app
    from gateway.http.middleware.cors import Cors  # noqa: PLC0415 - 3 MiB, where it is wanted

    return Cors(
        app,
        allow_origins=origins,
        allow_methods=CORS_METHODS,
        allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS,
        max_age=600,
    )


class Entrance:
    """Answers the server's lifespan messages (there is nothing to start) and passes requests on."""

    def __init__(self, app: ASGIApp, sockets: ASGIApp) -> None:
        self._app = app
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
        else:
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})


class ByPath:
    """Chooses a layer by the first segment of the path. ``below``: layers by segment, including its closing
    slash.
    """

    def __init__(self, below: Mapping[str, ASGIApp], *, otherwise: ASGIApp) -> None:
        self._below = below
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        first = path[: path.find("/", 1) + 1] or path
        await self._below.get(first, self._otherwise)(scope, receive, send)


class Dispatcher:
    """Finds the operation, authenticates the caller, runs the handler, sends its reply."""

    def __init__(self, services: Services, table: RouteTable) -> None:
        self._services = services
        self._table = table
        self._admission = Admission(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client, turns = scope.get(CLIENT), self._services.turns
        turns.begin(client)
        try:
            with Holds() as holds:
                reply = await self._answer(scope, receive, holds)
                await send_coded(reply, scope, receive, send)
        finally:
            turns.settle(client)

    async def _answer(self, scope: Scope, receive: Receive, holds: Holds) -> Reply:
        method, raw_path = scope["method"], _raw_path(scope)
        if method == "OPTIONS" and raw_path == "*":  # about the server as a whole (RFC 9110 section 9.3.7)
            return Reply(204, b"", [header("allow", ", ".join(CORS_METHODS))])
        if method == "OPTIONS" and (allow := self._table.allow(raw_path)):
            return Reply(204, b"", [header("allow", allow)])
        try:
            operation, path = self._table.find(method, raw_path)
        except StrongroomError:
            await self._admission.lost(scope)
            raise
        scope[ROUTE] = operation.path
        try:
            principal = await self._admission.enter(operation, scope, holds)
        except RateLimited as error:
            raise as_tus(error) if operation.path == UPLOAD_PATH else error from None
        refuse_scripts(scope, operation)
        refuse_unjudged(scope, operation)
        context = current()
        request_id = ""
        if context is not None:
            context.principal = principal
            context.method = f"{operation.method} {operation.path}"
            request_id = context.request_id
        call = Call(self._services, scope, receive, path=path, principal=principal, request_id=request_id)
        try:
            return await operation.handler(call)
        except RateLimited:
            self._admission.refused_behind(operation, principal)
            raise


def _raw_path(scope: Scope) -> str:
    """The path as received, without the prefix that the server is mounted under."""
    raw: Any = scope.get("raw_path")
    path: str = raw.decode("ascii", "replace") if raw is not None else quote(scope["path"])
    return path.removeprefix(scope.get("root_path", ""))
