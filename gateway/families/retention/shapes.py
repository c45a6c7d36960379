"""The shapes of bodies and answers: retention."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from gateway.families.library.shapes import FamilyName
from gateway.http.shapes import Moment, StrictBody, example
from gateway.operations.retention import Kept

UNTIL = "2033-01-02T03:04:05Z"
KEPT: Kept = {
    "keep_until": UNTIL,
    "delete_after": None,
    "hold": {"reason": "case 2026-17", "by_admin": False, "placed_at": "2026-01-02T03:04:05Z"},
}


@example(KEPT)
class Retained(Kept):
    """The retention that is now in effect."""


class RetentionBody(StrictBody):
    """The changes: members left out stay as they are, null removes a time."""

    model_config = ConfigDict(json_schema_extra={"example": {"keep_until": UNTIL}})

    keep_until: Moment | None = Field(
        default=None,
        description="It can't be deleted or replaced before this time. Only admins can shorten it.",
    )
    delete_after: Moment | None = Field(
        default=None, description="It is deleted automatically at this time. Not for projects."
    )

    def times(self) -> dict[str, datetime | None]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class HoldBody(StrictBody):
    """The reason of the hold."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "case 2026-17"}})

    reason: Annotated[str, Field(max_length=255)] = ""


class RetentionRule(TypedDict):
    """The rules of one family."""

    family: FamilyName | str
    keep_days: Annotated[float | None, Field(description="Kept for this long after the commit.")]
    delete_after_days: Annotated[float | None, Field(description="Deleted automatically at this age.")]


@example(
    {
        "rules": [{"family": "generations", "keep_days": None, "delete_after_days": 90.0}],
        "trash_seconds": 604800.0,
    }
)
class RetentionRules(TypedDict):
    """The rules of the installation; families without one are left out."""

    rules: list[RetentionRule]
    trash_seconds: Annotated[
        float, Field(description="How long files that were deleted automatically can be restored.")
    ]
