"""Admission of requests: identifies the caller by its token, and applies the limits of caller and address.

It comes before any byte of the body is read and any service is called. The services verify the token again
themselves.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.http.exchange import Query
from gateway.operations.addresses import address_of
from gateway.operations.routing import Operation
from gateway.upstream.call import Services
from servicekit.auth.credentials import GatewayCredential
from servicekit.auth.principal import ANONYMOUS, Principal
from servicekit.context import current
from servicekit.limits import Holds
from servicekit.limits.limiter import ARCHIVES, IMPORTS, PREVIEWS, TRANSFERS, WATCHES
from strongroom.errors import PermissionDenied, TokenExpired, TokenInvalid, TokenMissing

_NOBODY: Final = Principal(ANONYMOUS)
#: Streams that a page opens without headers of its own: a ticket may replace the token.
TICKETED: Final = frozenset({"/api/notifications", "/api/notifications/ws"})


#: Requested by load balancers and monitoring: never counted.
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
#: The kind of limited resource that an operation holds while it runs, by method and path. Other operations
#: are short.
OPEN: Final = {
    ("POST", "/api/v1/s3/upload"): TRANSFERS,
    ("GET", "/api/v1/s3/file/{key:path}"): TRANSFERS,
    ("POST", "/api/generations"): IMPORTS,
    ("POST", "/api/generations/batch"): IMPORTS,
    ("POST", "/api/generations/upload"): TRANSFERS,
    ("GET", "/api/generations/{id}/content"): TRANSFERS,
    ("POST", "/api/v1/events/{event_id}/media"): TRANSFERS,
    ("GET", "/api/v1/events/{event_id}/media/{media_id}/download"): TRANSFERS,
    ("GET", "/api/v1/events/{event_id}/media/{media_id}/stream"): TRANSFERS,
    ("PUT", "/api/v1/users/me/profile-picture"): TRANSFERS,
    ("GET", "/api/v1/users/me/profile-picture"): TRANSFERS,
    ("POST", "/api/v1/temp"): TRANSFERS,
    ("POST", "/files"): TRANSFERS,
    ("PATCH", "/files/{id}"): TRANSFERS,
    ("POST", "/api/projects/save"): TRANSFERS,
    ("POST", "/api/projects/{slug}/archive"): TRANSFERS,
    ("PATCH", "/api/projects/{slug}"): TRANSFERS,
    ("GET", "/api/projects/{slug}"): TRANSFERS,
    ("GET", "/api/projects/{slug}/archive"): TRANSFERS,
    ("GET", "/api/projects/{slug}/files/{path:path}"): TRANSFERS,
    ("GET", "/api/v1/folders/{folder:path}/archive"): TRANSFERS,
    ("GET", "/api/notifications"): WATCHES,
    ("GET", "/api/admin/events"): WATCHES,
}
#: Suffix of paths that return a ZIP. These are limited additionally: one costs as much as many files.
ZIP_ENDING: Final = "/archive"
#: Paths of bytes for visitors without an account.
PREVIEW_PATHS: Final = ("/api/preview/", "/api/sandbox-preview/", "/l/", "/s/")
#: Begins as many imports as its body names, which are counted there (``gateway.families.generations``).
BATCH: Final = ("POST", "/api/generations/batch")
#: Operations that begin a resumable upload.
SESSIONS: Final = frozenset({("POST", "/files"), ("POST", "/api/v1/uploads")})


class Admission:
    """Admits requests. ``holds`` collects what has to be released when the exchange ends."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limiter = services.limiter
        secret = services.settings.gateway_secret
        self._credential = GatewayCredential(secret.get_secret_value()) if secret is not None else None

    async def enter(self, operation: Operation, scope: Scope, holds: Holds) -> Principal:
        """Admit a request to ``operation``. Returns its caller.

        :raises TokenMissing, TokenInvalid, TokenExpired: 401.
        :raises RateLimited: 429.
        """
        self._mark()
        limiter, route = self._limiter, (operation.method, operation.path)
        if operation.public:
            if operation.path not in PROBES:
                await limiter.unsigned_request(self.address(scope))
            principal = _NOBODY  # also if a token was sent: it is not read
        else:
            principal = await self.sign_in(scope)
            await limiter.request(principal.subject)
        if route in SESSIONS:
            holds.add(await limiter.session(principal.subject))
        kind = OPEN.get(route)
        if kind is not None:
            if kind == IMPORTS and route != BATCH:
                await limiter.imports(principal.subject)
            holds.add(await limiter.hold(kind, principal.subject))
        elif operation.path.startswith(PREVIEW_PATHS):
            kind = PREVIEWS if operation.public else TRANSFERS
            holds.add(await limiter.hold(kind, self.place(operation, principal, scope)))
        if operation.method == "GET" and operation.path.endswith(ZIP_ENDING):
            holds.add(await limiter.hold(ARCHIVES, self.place(operation, principal, scope)))
        return principal

    def refused_behind(self, operation: Operation, principal: Principal) -> None:
        """Note that a service has refused the caller by a limit of its own."""
        if not operation.public:
            self._limiter.refused_behind(principal.subject)

    async def watch(self, scope: Scope, authorization: str | None, holds: Holds) -> Principal:
        """Admit a WebSocket, with a permit for its watch. Returns its caller. Raises as ``enter``."""
        self._mark()
        principal = await self.sign_in(scope, authorization)
        await self._limiter.request(principal.subject)
        holds.add(await self._limiter.hold(WATCHES, principal.subject))
        return principal

    async def lost(self, scope: Scope) -> None:
        """Count a request for a route that does not exist.

        :raises RateLimited: too many from this address.
        """
        await self._limiter.unsigned_request(self.address(scope))

    async def sign_in(self, scope: Scope, authorization: str | None = None) -> Principal:
        """The caller by its token: ``authorization``, or that of the request.

        :raises TokenMissing, TokenInvalid, TokenExpired: answered 401.
        :raises RateLimited: instead, after too many failures.
        :raises ServiceUnavailable: there are no keys to verify tokens with.
        """
        try:
            sent = self._token_sent(scope) if authorization is None else authorization
            return await self._services.authenticator.verify(sent)
        except TokenMissing:
            await self._limiter.unsigned_request(self.address(scope))
            raise
        except (TokenInvalid, TokenExpired):
            await self._limiter.failed_sign_in(self.address(scope))
            raise

    def _token_sent(self, scope: Scope) -> str | None:
        """``Authorization`` (RFC 6750 section 2.1), or the token in the ticket of an event stream. Tokens in
        queries or forms are ignored.
        """
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(values) > 1:  # servers and proxies differ in which one counts
            raise TokenInvalid("The token was refused: Authorization was sent more than once.")
        if values or scope["path"] not in TICKETED:
            return values[0].decode("latin-1") if values else None
        ticket = Query(scope["query_string"]).get("ticket")
        token = "" if ticket is None else self._services.tickets.open(ticket)
        return f"Bearer {token}" if token else None

    def _mark(self) -> None:
        """Let the calls of this request carry the proof that it was counted here."""
        context = current()
        if context is not None:
            context.gateway = self._credential

    def place(self, operation: Operation, principal: Principal, scope: Scope) -> str:
        """Who holds the resource: the user, or without a user the address."""
        return f"address {self.address(scope)}" if operation.public else principal.subject

    def address(self, scope: Scope) -> str:
        """The client's address as a key for limits; with trusted proxies the forwarded one."""
        return address_of(self._services, scope)


#: Destinations that execute the response (Fetch section 2.2.5, "script-like", and xslt).
_RUNS: Final = frozenset({b"audioworklet", b"paintworklet", b"script", b"sharedworker", b"worker", b"xslt"})
_SERVICE_WORKER: Final = b"serviceworker"


def refuse_scripts(scope: Scope, operation: Operation) -> None:
    """Raise PermissionDenied if a page would execute the response (Fetch Metadata's ``Sec-Fetch-Dest``),
    except for ``Operation.scripts``. Nothing may become a service worker.

    Users' bytes are shown and saved, but never executed in the gateway's origin: a user's script loaded by
    one of our pages would act for another user, and a service worker would do so as long as it is installed.
    Types and ``nosniff`` don't prevent this if the upload is an honest ``text/javascript``, so the request is
    refused.
    """
    for name, value in scope["headers"]:
        if name == b"service-worker":
            raise PermissionDenied("Nothing here may be installed as a service worker.")
        if name == b"sec-fetch-dest":
            wanted = value.strip().lower()
            if wanted == _SERVICE_WORKER:
                raise PermissionDenied("Nothing here may be installed as a service worker.")
            if wanted in _RUNS and not operation.scripts:
                raise PermissionDenied(
                    "Stored files are not run as scripts; only a project's preview loads its own."
                )
