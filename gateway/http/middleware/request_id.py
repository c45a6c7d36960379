"""Gives every request an id: the caller's ``X-Request-Id`` if it is well-formed, else a new one."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.context import RequestContext, clean_request_id, clean_traceparent, set_current


class RequestIds:
    """Begins the request's context (logs, outgoing calls) and echoes the id on every answer."""

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
        echo = (b"x-request-id", context.request_id.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], echo]
            await send(message)

        await self._app(scope, receive, send_with_id)
