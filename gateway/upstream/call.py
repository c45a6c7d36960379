"""The request and the services that a handler works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from starlette.types import Receive, Scope

from gateway.config import GatewaySettings
from gateway.http.exchange import Exchange
from gateway.http.leaving import Draining
from gateway.http.tickets import Tickets
from gateway.metrics import Metrics
from gateway.upstream.backend import Metadata, Storage
from gateway.upstream.feeds import Feeds
from gateway.upstream.readiness import Readiness
from gateway.upstream.turns import Turns
from servicekit.auth.authenticator import Authenticator
from servicekit.auth.principal import Principal
from servicekit.limits import Limiter

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of both services, the authenticator, and process-wide budgets; created once by
    ``gateway.bootstrap``.
    """

    settings: GatewaySettings
    authenticator: Authenticator
    storage: Storage
    metadata: Metadata
    readiness: Readiness
    metrics: Metrics
    limiter: Limiter
    feeds: Feeds
    tickets: Tickets
    draining: Draining = field(default_factory=Draining)
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Request, Response]):
    """One RPC (``gateway.upstream.rpcs``). ``ask`` makes it as the caller of an exchange; raises as
    ``Backend.unary``.
    """

    ask: Callable[[Services, Exchange, Request], Awaitable[Response]]


class Call(Exchange):
    """An exchange and the services that its handler calls. Created by the dispatcher, one per request."""

    __slots__ = ("services",)

    def __init__(
        self,
        services: Services,
        scope: Scope,
        receive: Receive,
        *,
        path: Mapping[str, str],
        principal: Principal,
        request_id: str,
    ) -> None:
        super().__init__(scope, receive, path=path, principal=principal, request_id=request_id)
        self.services = services

    async def ask(self, rpc: Rpc[Request, Response], request: Request) -> Response:
        """Call one of ``gateway.upstream.rpcs`` with the caller's token and a deadline.

        :raises StrongroomError: the service's error.
        :raises ClientGone: the client disconnected; the RPC is cancelled.
        """
        return await rpc.ask(self.services, self, request)
