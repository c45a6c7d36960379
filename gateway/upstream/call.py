"""One HTTP exchange as a handler sees it: the request, and the services that it calls."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Receive, Scope

from gateway.http.exchange import Exchange
from gateway.upstream.rpcs import Request, Response, Rpc
from gateway.upstream.services import Services
from servicekit.auth.principal import Principal


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
