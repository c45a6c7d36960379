"""Notifications as they happen."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from gateway.operations.docs import USER_ID, Doc, Success, query, request_header

TITLE = "Notifications"
TEXT = (
    "What happens to the caller's files, as it happens: server-sent events here, the same as JSON messages"
    " of a WebSocket at `/api/notifications/ws`. Resumable by the last event's id for 24 hours."
)


class Notification(BaseModel):
    """One event."""

    id: str = Field(description="Position in the user's stream; send the last one to go on behind it.")
    type: str = Field(
        description="upload_progress, file_ready, file_updated, file_deleted, file_damaged, import_failed,"
        " project_saved or project_deleted.",
        examples=["file_ready"],
    )
    subject_id: str = Field(description="The file, upload or project.")
    data: Any
    created_at: str


class Ticket(BaseModel):
    """Opens a stream of events for a short while."""

    ticket: str = Field(examples=["gAAAAABl…"])
    expires_at: str = Field(examples=["2026-01-02T03:05:05Z"])
    expires_in_seconds: int = Field(examples=[60])


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
