"""How long a file or project stays, as JSON."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from gateway.http.shapes import Moment, rfc3339
from gateway.upstream.wishes import MOST_REASON, MOST_SECONDS, NAMES, retention_of
from strongroom.metadata.v1.retention_pb2 import Retention, RetentionWish


class LegalHold(TypedDict):
    """It can't be deleted or replaced until the hold is lifted."""

    reason: str
    by_admin: Annotated[bool, Field(description="Only an admin can lift it.")]
    placed_at: str


class Kept(TypedDict):
    """How long it stays."""

    keep_until: Annotated[str | None, Field(description="It can't be deleted or replaced before this time.")]
    delete_after: Annotated[
        str | None, Field(description="It is deleted automatically at this time. Files only.")
    ]
    hold: Annotated[LegalHold | None, Field(description="A legal hold.")]


class KeptFacts(TypedDict):
    """How long it stays; each only where it is set."""

    keep_until: NotRequired[
        Annotated[str, Field(description="It can't be deleted or replaced before this time.")]
    ]
    delete_after: NotRequired[
        Annotated[str, Field(description="It is deleted automatically at this time. Files only.")]
    ]
    hold: NotRequired[Annotated[LegalHold, Field(description="A legal hold.")]]


def add_kept(shown: KeptFacts, retention: Retention) -> None:
    """Give an answer to its owner the members that are set. Guests are not told."""
    kept = show_retention(retention)
    if kept["keep_until"] is not None:
        shown["keep_until"] = kept["keep_until"]
    if kept["delete_after"] is not None:
        shown["delete_after"] = kept["delete_after"]
    if kept["hold"] is not None:
        shown["hold"] = kept["hold"]


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


class KeptBody(BaseModel):
    """A body that may say how long something is kept."""

    keep_until: Annotated[
        Moment | None, Field(description="It can't be deleted or replaced before this time.")
    ] = None
    keep_for_seconds: Annotated[
        int | None,
        Field(ge=1, le=MOST_SECONDS, description="Like keep_until, in seconds from when it is stored."),
    ] = None
    hold_reason: Annotated[
        str, Field(max_length=MOST_REASON, description="Places a legal hold on it, with this reason.")
    ] = ""

    def wish(self) -> RetentionWish | None:
        """What it asks for; None: nothing. Raises InvalidField."""
        return retention_of(self.model_dump(include=set(NAMES)))


class ClassBody(BaseModel):
    """A body that may say what class objects are of."""

    storage_class: Annotated[
        str,
        Field(
            max_length=32,
            description="An S3 storage class, one of those that the installation allows uploads to choose.",
        ),
    ] = ""


class KeptObjectsBody(KeptBody, ClassBody):
    """A save of a project: how long it is kept, and what class its new objects are of."""


class WishedBody(KeptBody):
    """A body that may say how long a file stays."""

    delete_after: Annotated[
        Moment | None, Field(description="The file is deleted automatically at this time.")
    ] = None
    delete_after_seconds: Annotated[
        int | None,
        Field(ge=1, le=MOST_SECONDS, description="The file is deleted automatically at this age."),
    ] = None


class StoredBody(WishedBody, ClassBody):
    """The same, and what class its object is of."""


class Wished(TypedDict):
    """The retention that was asked for; null: not asked for."""

    keep_until: str | None
    keep_for_seconds: int | None
    delete_after: str | None
    delete_after_seconds: int | None
    hold_reason: str | None


def show_wish(wish: RetentionWish) -> Wished:
    """As the fields of an upload have it."""
    kept, going = wish.HasField("keep_until_time"), wish.HasField("delete_after_time")
    return {
        "keep_until": rfc3339(wish.keep_until_time) if kept else None,
        "keep_for_seconds": wish.keep_for.seconds or None,
        "delete_after": rfc3339(wish.delete_after_time) if going else None,
        "delete_after_seconds": wish.delete_after.seconds or None,
        "hold_reason": wish.hold_reason or None,
    }
