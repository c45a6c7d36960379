"""The shapes of bodies and answers: retention."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gateway.families.library.shapes import FamilyName
from gateway.http.shapes import Moment, example
from gateway.operations.retention import Kept

UNTIL = "2033-01-02T03:04:05Z"
KEPT: Kept = {
    "keep_until": UNTIL,
    "delete_after": None,
    "hold": {"reason": "case 2026-17", "by_admin": False, "placed_at": "2026-01-02T03:04:05Z"},
}


@example(KEPT)
class Retained(Kept):
    """How long it stays from now on."""


class RetentionBody(BaseModel):
    """What is to change: members left out stay, null takes a time away."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"keep_until": UNTIL}})

    keep_until: Moment | None = Field(
        default=None,
        description="Neither deleted nor replaced before; may only be put off, except by admins.",
    )
    delete_after: Moment | None = Field(
        default=None, description="It is deleted automatically then. Not of projects."
    )

    def times(self) -> dict[str, datetime | None]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class HoldBody(BaseModel):
    """Why it is held."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "case 2026-17"}})

    reason: Annotated[str, Field(max_length=255)] = ""


class RetentionRule(TypedDict):
    """What the settings say of one family."""

    family: FamilyName | str
    keep_days: Annotated[float | None, Field(description="Kept for so long from the commit on.")]
    delete_after_days: Annotated[float | None, Field(description="Goes away by itself at this age.")]


@example(
    {
        "rules": [{"family": "generations", "keep_days": None, "delete_after_days": 90.0}],
        "trash_seconds": 604800.0,
    }
)
class RetentionRules(TypedDict):
    """The rules of the installation; families without one are left out."""

    rules: list[RetentionRule]
    trash_seconds: Annotated[float, Field(description="What went by itself can be restored for so long.")]
