"""Notifications as they happen."""

from __future__ import annotations

from gateway.families.notifications.shapes import Notification, Ticket
from gateway.operations.docs import USER_ID, Doc, Success, query, request_header

TITLE = "Notifications"

TEXT = (
    "What happens to the caller's files, as it happens: server-sent events here, the same as JSON messages"
    " of a WebSocket at `/api/notifications/ws`. Resumable by the last event's id for 24 hours."
)

TICKET = query(
    "ticket",
    "Of `POST /api/notifications/ticket`: stands for the token where no header can be sent (EventSource).",
    {"type": "string"},
)

DOCS = {
    "make_ticket": Doc(
        "A ticket for EventSource",
        {201: Success("Good for opening a stream within a minute", {"application/json": Ticket})},
        description=(
            "A page's `EventSource` can't send `Authorization`: it opens"
            " `/api/notifications?ticket=…` (or `/api/notifications/ws?ticket=…`) with a fresh ticket. The"
            " stream then stays open for as long as one with a token."
        ),
        parameters=(USER_ID,),
    ),
    "stream_events_of_all": Doc(
        "Events of all users",
        {200: Success("A stream that does not end by itself", {"text/event-stream": Notification})},
        description=(
            "For admins: the events of everybody, in the order of their commits, each with `user_id`. Resumed"
            " and dropped as a user's own stream."
        ),
        errors=("PERMISSION_DENIED", "OFFSET_OUT_OF_RANGE"),
        parameters=(
            request_header("Last-Event-ID", "id of the last event seen; browsers send it by themselves."),
            query("last_event_id", "The same, for a first connection.", {"type": "string"}),
            query("types", "Only those, with commas; none: all but progress.", {"type": "string"}),
            query("families", "Only of those, with commas: `generation,project`.", {"type": "string"}),
            query("users", "Only of those, with commas.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "stream_notifications": Doc(
        "Events as they happen",
        {200: Success("A stream that does not end by itself", {"text/event-stream": Notification})},
        description=(
            "Each message has `id`, `event` (the type) and `data` (the event as JSON). A reader too slow"
            " is dropped and goes on by its last id."
        ),
        errors=("OFFSET_OUT_OF_RANGE",),
        parameters=(
            request_header("Last-Event-ID", "id of the last event seen; browsers send it by themselves."),
            query("last_event_id", "The same, for a first connection.", {"type": "string"}),
            TICKET,
            USER_ID,
        ),
    ),
}
