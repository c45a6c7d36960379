"""Notifications as they happen."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from gateway.schemas.operation import USER_ID, Doc, Success, query, request_header

TITLE = "Notifications"
TEXT = (
    "What happens to the caller's files, as it happens: server-sent events here, the same as JSON messages"
    " of a WebSocket at `/api/notifications/ws`. Resumable by the last event's id for 24 hours."
)


class Notification(BaseModel):
    """One event."""

    id: str = Field(description="Position in the user's stream; send the last one to go on behind it.")
    type: str = Field(
        description="upload_progress, file_ready, file_updated, file_deleted, import_failed, project_saved or"
        " project_deleted.",
        examples=["file_ready"],
    )
    subject_id: str = Field(description="The file, upload or project.")
    data: Any
    created_at: str


DOCS = {
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
            USER_ID,
        ),
    ),
}
