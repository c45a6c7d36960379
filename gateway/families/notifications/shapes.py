"""The shapes of bodies and answers: notifications as they happen."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class Notification(TypedDict):
    """One event."""

    id: Annotated[
        str, Field(description="Position in the user's stream; send the last one to continue after it.")
    ]
    type: Annotated[
        str,
        Field(
            description="upload_progress, file_ready, file_described, file_updated, file_deleted,"
            " file_damaged, file_infected, file_readable, import_failed, save_failed, project_save_progress,"
            " project_saved, project_deleted or webhook_disabled.",
            examples=["file_ready"],
        ),
    ]
    subject_id: Annotated[str, Field(description="The file, upload or project.")]
    data: Any
    created_at: str
    user_id: NotRequired[Annotated[str, Field(description="The user; only in streams of all users' events.")]]


class Ticket(TypedDict):
    """A short-lived ticket that opens a stream of events."""

    ticket: Annotated[str, Field(examples=["gAAAAABl…"])]
    expires_at: Annotated[str, Field(examples=["2026-01-02T03:05:05Z"])]
    expires_in_seconds: Annotated[int, Field(examples=[60])]
