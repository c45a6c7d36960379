"""``/api/notifications/ws``: a user's events as JSON messages of a WebSocket (RFC 6455).

The token comes as ``Authorization``, or, from pages (which can't set headers), as the subprotocol
``bearer.<token>`` beside the subprotocol ``strongroom``, or as a ticket (``gateway.http.tickets``).
Refusals are problems before the handshake; later ends are close codes:

    1000  the client closed
    1012  the service restarts: connect again
    1013  the reader is too slow: connect again
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

import structlog
from starlette.types import Message, Receive, Scope, Send

from gateway.families.notifications.watch import Watch, show
from gateway.http.middleware.access import ROUTE
from gateway.http.problems import problem_for, problem_for_bug
from gateway.http.reply import Reply
from gateway.operations.admission import Admission
from gateway.upstream.call import Call, Services
from gateway.upstream.feeds import TooSlow
from servicekit.context import current
from servicekit.limits import Holds
from strongroom.errors import NotFound, StrongroomError

PATH: Final = "/api/notifications/ws"
PROTOCOL: Final = "strongroom"
RESTARTING: Final = 1012
TOO_SLOW: Final = 1013
POLICY_VIOLATION: Final = 1008
_TOKEN_PREFIX: Final = "bearer."  # noqa: S105 - a prefix, not a secret

log = structlog.get_logger("gateway.websocket")


class WebSockets:
    """The WebSocket side of the application: one path."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._admission = Admission(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        with Holds() as holds:
            await self._answer(scope, receive, send, holds)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, holds: Holds) -> None:
        context = current()
        request_id = context.request_id if context is not None else ""
        try:
            watch = await self._begin(scope, receive, request_id, holds)
        except StrongroomError as error:
            await _refuse(send, problem_for(error, request_id))
            return
        except Exception:
            log.exception("unexpected error")
            await _refuse(send, problem_for_bug(request_id))
            raise
        protocol = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
        try:
            await send({"type": "websocket.accept", "subprotocol": protocol})
        except BaseException:  # the client has left
            watch.close()
            raise
        await _serve(watch, receive, send, self._services.settings.send_idle_seconds)

    async def _begin(self, scope: Scope, receive: Receive, request_id: str, holds: Holds) -> Watch:
        if scope["path"] != PATH:
            await self._admission.lost(scope)
            raise NotFound(f"There is no such WebSocket; notifications are at {PATH}.")
        scope[ROUTE] = PATH
        principal = await self._admission.watch(scope, _authorization(scope), holds)
        call = Call(self._services, scope, receive, path={}, principal=principal, request_id=request_id)
        return await Watch.begin(call, call.query("last_event_id") or "")


async def _serve(watch: Watch, receive: Receive, send: Send, idle_seconds: float) -> None:
    """Send events until the client leaves or is idle for too long."""
    leaving = asyncio.ensure_future(_until_left(receive))
    leaving.add_done_callback(lambda _: watch.close())
    code = RESTARTING
    try:
        async for response in watch:
            if response.HasField("event"):
                text = json.dumps(show(response.event), ensure_ascii=False, separators=(",", ":"))
                message: Message = {"type": "websocket.send", "text": text}
                async with asyncio.timeout(idle_seconds):
                    await send(message)
    except (TimeoutError, TooSlow):
        code = TOO_SLOW
    except asyncio.CancelledError:
        if not leaving.done():
            raise
    finally:
        gone = leaving.done()
        leaving.cancel()
        watch.close()
    if gone:
        return
    if watch.refusal is not None:
        reason = watch.refusal.reason_name
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
    else:
        await send({"type": "websocket.close", "code": code})


async def _until_left(receive: Receive) -> None:
    """Ignore everything the client sends: there is nothing for it to say."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _authorization(scope: Scope) -> str | None:
    """The token from a page's subprotocol; None if the header or a ticket is used."""
    if any(name == b"authorization" for name, _ in scope["headers"]):
        return None
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_TOKEN_PREFIX):
            return f"Bearer {protocol.removeprefix(_TOKEN_PREFIX)}"
    return None


async def _refuse(send: Send, reply: Reply) -> None:
    """Answer the handshake with a problem document (ASGI extension ``websocket.http.response``)."""
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body, "more_body": False})
