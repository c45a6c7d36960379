"""How long a file or project stays, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.shapes import rfc3339
from strongroom.metadata.v1.retention_pb2 import Retention


class LegalHold(TypedDict):
    """It is neither deleted nor replaced until somebody lifts the hold."""

    reason: str
    by_admin: Annotated[bool, Field(description="Only an admin lifts it.")]
    placed_at: str


class Kept(TypedDict):
    """How long it stays."""

    keep_until: Annotated[str | None, Field(description="It is neither deleted nor replaced before.")]
    delete_after: Annotated[str | None, Field(description="It goes away by itself then. Files alone.")]
    hold: Annotated[LegalHold | None, Field(description="A legal hold.")]


def show_retention(retention: Retention) -> Kept:
    """Each of them may be null."""
    kept, going = retention.HasField("keep_until_time"), retention.HasField("delete_after_time")
    hold: LegalHold | None = None
    if retention.HasField("hold"):
        placed = retention.hold
        hold = {
            "reason": placed.reason,
            "by_admin": placed.by_admin,
            "placed_at": rfc3339(placed.place_time),
        }
    return {
        "keep_until": rfc3339(retention.keep_until_time) if kept else None,
        "delete_after": rfc3339(retention.delete_after_time) if going else None,
        "hold": hold,
    }
