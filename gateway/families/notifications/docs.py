"""Notifications as they happen."""

from __future__ import annotations

from gateway.families.notifications.shapes import Notification, Ticket
from gateway.operations.docs import USER_ID, Doc, Success, query, request_header

TITLE = "Notifications"

TEXT = (
    "Events of the caller's files as they happen: server-sent events here, the same as"
    " JSON messages over a WebSocket at `/api/notifications/ws`. Resumable from the last"
    " event's id for 24 hours."
)

TICKET = query(
    "ticket",
    "From `POST /api/notifications/ticket`: replaces the token if no header can be sent (EventSource).",
    {"type": "string"},
)

DOCS = {
    "make_ticket": Doc(
        "A ticket for EventSource",
        {201: Success("The ticket, valid for a minute", {"application/json": Ticket})},
        description=(
            "An `EventSource` can't send `Authorization`, so open `/api/notifications?ticket=…`"
            " (or `/api/notifications/ws?ticket=…`) with a fresh ticket. The stream then stays"
            " open for as long as one with a token."
        ),
        parameters=(USER_ID,),
    ),
    "stream_events_of_all": Doc(
        "Events of all users",
        {200: Success("A stream that does not end", {"text/event-stream": Notification})},
        description=(
            "For admins: the events of all users, in the order of their commits, each with"
            " `user_id`. Resumes and disconnects like a user's own stream."
        ),
        errors=("PERMISSION_DENIED", "OFFSET_OUT_OF_RANGE"),
        parameters=(
            request_header("Last-Event-ID", "Id of the last event seen; browsers send it automatically."),
            query("last_event_id", "The same, for a first connection.", {"type": "string"}),
            query(
                "types",
                "Only these types, separated by commas. Default: all but progress.",
                {"type": "string"},
            ),
            query(
                "families",
                "Only these families, separated by commas: `generation,project`.",
                {"type": "string"},
            ),
            query("users", "Only these users, separated by commas.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "stream_notifications": Doc(
        "Events as they happen",
        {200: Success("A stream that does not end", {"text/event-stream": Notification})},
        description=(
            "Each message has `id`, `event` (the type) and `data` (the event as JSON). A reader"
            " that is too slow is disconnected, and continues from its last id."
        ),
        errors=("OFFSET_OUT_OF_RANGE",),
        parameters=(
            request_header("Last-Event-ID", "Id of the last event seen; browsers send it automatically."),
            query("last_event_id", "The same, for a first connection.", {"type": "string"}),
            TICKET,
            USER_ID,
        ),
    ),
}
