"""The shapes of bodies and answers: webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from gateway.http.shapes import StrictBody, example

EXAMPLE_ID = "3c9f6c1e-2b61-4f5e-8f0a-6a1d6f0a2c11"
EXAMPLE_URL = "https://hooks.example.com/strongroom"
EXAMPLE_MESSAGE = "msg_8f14e45fceea167a5a36dedd4bea2543"
EXAMPLE_EVENT = "7401-12-1767323045"

EventName = Literal[
    "upload_progress",
    "file_ready",
    "file_described",
    "file_updated",
    "file_deleted",
    "file_damaged",
    "file_infected",
    "file_readable",
    "import_failed",
    "save_failed",
    "project_save_progress",
    "project_saved",
    "project_deleted",
    "webhook_disabled",
]
FamilyName = Literal[
    "file", "generation", "event_media", "profile_picture", "temp", "path", "project_file", "project"
]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=8192,
        description="http or https; the rules of imports apply.",
        examples=[EXAMPLE_URL],
    ),
]
Types = Annotated[
    list[EventName],
    Field(max_length=64, description="Event types; none: all but progress.", examples=[["file_ready"]]),
]
Families = Annotated[
    list[FamilyName],
    Field(max_length=16, description="Families; none: all.", examples=[["generation"]]),
]
UserId = Annotated[str | None, Field(description="Act for this user (admin role only).")]


class WebhookBody(StrictBody):
    """A webhook to create."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"url": EXAMPLE_URL, "types": ["file_ready", "file_deleted"]}}
    )

    url: Url
    description: Annotated[str, Field(max_length=255)] = ""
    types: Types = Field(default=[])
    families: Families = Field(default=[])
    user_id: UserId = None


class WebhookEditBody(StrictBody):
    """The changes; members left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"example": {"paused": True}})

    url: Url | None = None
    description: Annotated[str | None, Field(max_length=255)] = None
    types: Types | None = None
    families: Families | None = None
    paused: Annotated[bool | None, Field(description="false reactivates it, also if it was disabled.")] = None
    user_id: UserId = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(getattr(self, name) is None for name in ("url", "description", "types", "families", "paused")):
            raise ValueError("Send at least one of url, description, types, families, paused.")
        if (self.types is None) != (self.families is None):
            raise ValueError("Send types and families together: they are one filter.")
        return self


class RotationBody(StrictBody):
    """How long old secrets also sign."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlap_seconds": 86_400}})

    overlap_seconds: Annotated[int, Field(ge=0, le=2_592_000, description="Seconds; 0: not at all.")] = 86_400
    user_id: UserId = None


class ReplayBody(StrictBody):
    """What to resend: one of the three."""

    model_config = ConfigDict(json_schema_extra={"example": {"dead": True}})

    delivery_id: Annotated[
        str | None, Field(pattern=r"^msg_[0-9a-f]{32}$", description="One delivery, also a delivered one.")
    ] = None
    dead: Annotated[Literal[True] | None, Field(description="All dead letters.")] = None
    after: Annotated[
        str | None, Field(min_length=1, max_length=255, description="All events after the one with this id.")
    ] = None
    user_id: UserId = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(value is not None for value in (self.delivery_id, self.dead, self.after)) != 1:
            raise ValueError("Send one of delivery_id, dead, after.")
        return self


_WEBHOOK = {
    "id": EXAMPLE_ID,
    "url": EXAMPLE_URL,
    "description": "",
    "types": ["file_ready"],
    "families": [],
    "state": "active",
    "cause": None,
    "cursor": EXAMPLE_EVENT,
    "pending": 0,
    "dead": 0,
    "delivered": 12,
    "failing_since": None,
    "last_success_at": "2026-01-02T03:04:05Z",
    "last_failure_at": None,
    "last_failure": None,
    "lost_from": None,
    "lost_until": None,
    "secrets": 1,
    "created_at": "2026-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:05Z",
}


@example(_WEBHOOK)
class Webhook(TypedDict):
    """A webhook."""

    id: str
    url: str
    description: str
    types: Annotated[list[str], Field(description="None: all but progress.")]
    families: Annotated[list[str], Field(description="None: all.")]
    state: Literal["active", "paused", "disabled"]
    cause: Annotated[str | None, Field(description="Why it is disabled: failing, gone or secret_unreadable.")]
    cursor: Annotated[str, Field(description="The last event for which deliveries were created.")]
    pending: int
    dead: int
    delivered: int
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    last_failure: str | None
    lost_from: Annotated[str | None, Field(description="Events after this time may be lost.")]
    lost_until: str | None
    secrets: Annotated[int, Field(description="Number of secrets that currently sign.")]
    created_at: str
    updated_at: str
    secret: NotRequired[
        Annotated[str, Field(description="Only in the response that creates it.", examples=["whsec_…"])]
    ]


class WebhookList(TypedDict):
    """A page, newest first."""

    webhooks: list[Webhook]
    next_page_token: str | None


@example(
    {
        "id": EXAMPLE_MESSAGE,
        "webhook_id": EXAMPLE_ID,
        "user_id": "ada",
        "state": "dead",
        "tries": 10,
        "next_try_at": None,
        "status": 500,
        "failure": "the target answers 500",
        "ended_at": "2026-01-03T03:04:05Z",
        "event": {
            "id": EXAMPLE_EVENT,
            "type": "file_ready",
            "subject_id": EXAMPLE_ID,
            "data": {"family": "file", "filename": "a.png"},
            "created_at": "2026-01-02T03:04:05Z",
        },
    }
)
class Delivery(TypedDict):
    """The delivery of one event to one target."""

    id: Annotated[str, Field(description="The webhook-id header of the request.")]
    webhook_id: str
    user_id: Annotated[str, Field(description="The user of the event.")]
    state: Literal["pending", "delivered", "dead"]
    tries: Annotated[int, Field(description="Failed tries.")]
    next_try_at: str | None
    status: Annotated[int | None, Field(description="HTTP status of the last response.")]
    failure: str | None
    ended_at: str | None
    event: Any


class DeliveryList(TypedDict):
    """A page, newest event first."""

    deliveries: list[Delivery]
    next_page_token: str | None


@example({"replayed": 3})
class Replayed(TypedDict):
    """What waits again."""

    replayed: Annotated[
        int,
        Field(
            description=(
                "Number of deliveries; 0 with `after`, because those are created as events are read."
            )
        ),
    ]
