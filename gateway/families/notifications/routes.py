"""Notifications as server-sent events, per user. A client can resume after the last event's id."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Final

from starlette.types import Receive, Scope, Send

from gateway.families.notifications.shapes import Ticket
from gateway.families.notifications.watch import NAMES, Watch, WatchAll, show
from gateway.http import fields
from gateway.http.problems import problem_body, problem_reply
from gateway.http.reply import JsonReply, Reply, header, json_reply
from gateway.http.tickets import TICKET_SECONDS
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.feeds import TooSlow
from servicekit.moments import rfc3339
from strongroom.errors import InvalidField, MalformedRequest, ServiceUnavailable
from strongroom.metadata.v1.notification_service_pb2 import EventType, WatchAllRequest

PATH: Final = "/api/notifications"
SOCKET_PATH: Final = PATH + "/ws"
ALL_PATH: Final = "/api/admin/events"
TICKET_PATH: Final = PATH + "/ticket"
UPGRADE_REQUIRED: Final = 426
LEAVING: Final = ServiceUnavailable(
    "This server, or one behind it, is shutting down; connect again with the id of the last event."
)
RETRY_MS: Final = 2000

routes = Routes("notifications")
socket_routes = Routes("notifications", public=True, hidden=True)


@routes.add("GET", PATH)
async def stream_notifications(call: Call) -> Reply:
    """The caller's events as ``text/event-stream`` (WHATWG HTML section 9.2)."""
    token = call.header("last-event-id") or call.query("last_event_id") or ""
    return _EventStream(await Watch.begin(call, token))


@routes.add("GET", ALL_PATH)
async def stream_events_of_all(call: Call) -> Reply:
    """The events of all users, for admins."""
    fields.only(call, "types", "families", "users", "last_event_id", "user_id")
    call.user_id()
    request = WatchAllRequest(
        resume_token=call.header("last-event-id") or call.query("last_event_id") or "",
        types=[_number(name) for name in _listed(call, "types")],
        families=_listed(call, "families"),
        user_ids=_listed(call, "users"),
    )
    return _EventStream(await WatchAll.begin(call, request))


@routes.add("POST", TICKET_PATH)
async def make_ticket(call: Call) -> JsonReply[Ticket]:
    """A ticket that opens a page's stream (``gateway.http.tickets``); ``user_id`` is passed on with the
    stream.
    """
    call.user_id()
    ticket, ends = call.services.tickets.make(call.principal.token or "")
    body: Ticket = {
        "ticket": ticket,
        "expires_at": rfc3339(datetime.fromtimestamp(ends, UTC)),
        "expires_in_seconds": TICKET_SECONDS,
    }
    return json_reply(body, 201, secret=True)


@socket_routes.add("GET", SOCKET_PATH)
async def notifications_socket(call: Call) -> Reply:
    """The WebSocket's path without a complete handshake: RFC 9110 section 15.5.22, RFC 6455 section 4.4."""
    error = MalformedRequest(
        "This is a WebSocket: send GET with Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Key and"
        " Sec-WebSocket-Version: 13 (RFC 6455)."
    )
    reply = problem_reply(error, problem_body(error, call.request_id) | {"status": UPGRADE_REQUIRED})
    reply.status = UPGRADE_REQUIRED
    reply.headers += [
        header("upgrade", "websocket"),
        header("connection", "upgrade"),
        header("sec-websocket-version", "13"),
    ]
    return reply


def _listed(call: Call, name: str) -> list[str]:
    """The comma-separated values of a query parameter."""
    return list(dict.fromkeys(part for part in (call.query(name) or "").split(",") if part))


def _number(name: str) -> EventType.ValueType:
    numbers = {known: number for number, known in NAMES.items() if number}
    if name not in numbers:
        raise InvalidField(f"types: there are {', '.join(sorted(numbers))}.", field="types", rule="in")
    return numbers[name]


class _EventStream(Reply):
    """One message per event. A heartbeat is a comment with the stream's position. Only the client or the
    service ends the stream.
    """

    def __init__(self, watch: Watch | WatchAll) -> None:
        super().__init__(
            200,
            b"",
            [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),  # nginx: don't buffer events
            ],
        )
        self._watch = watch

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends."""
        if scope["method"] == "HEAD":
            self._watch.close()
            await super().send_to(scope, receive, send)
            return
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            await _send(send, f"retry: {RETRY_MS}\n\n")
            with contextlib.suppress(TooSlow):  # the client reconnects with the last id that it has seen
                await self._send_all(send)
        finally:
            self._watch.close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async for response in self._watch:
            if not response.HasField("event"):
                # A message with only an id is no event, but a page's EventSource reconnects with it.
                await _send(send, f":\nid: {response.resume_token}\n\n" if response.resume_token else ":\n\n")
                continue
            event = show(response.event)
            text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            await _send(send, f"id: {event['id']}\nevent: {event['type']}\ndata: {text}\n\n")
        why = self._watch.refusal or LEAVING
        told = json.dumps({"code": why.reason_name, "detail": why.message})
        await _send(send, f"event: end\ndata: {told}\n\n")


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
