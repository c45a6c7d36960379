"""Retention requested with an upload or a save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from strongroom.metadata.v1 import retention_pb2


@dataclass(frozen=True, slots=True)
class RetentionWish:
    """Retention requested with an upload or a save. If the family's rule keeps it longer, that applies.

    ``keep``: can't be deleted or replaced before that time, or for that long after it is stored.
    ``delete_after``: deleted automatically at that time or age; not for projects. ``hold``: places a legal
    hold, with this reason. Times must be timezone-aware. With spans a repeat is the same request; with times
    computed from "now" it is not.
    """

    keep: datetime | timedelta | None = None
    delete_after: datetime | timedelta | None = None
    hold: str = ""

    def to_proto(self) -> retention_pb2.RetentionWish:
        """Return the message.

        :raises ValueError: a time has no time zone.
        """
        wish = retention_pb2.RetentionWish(hold_reason=self.hold)
        if isinstance(self.keep, timedelta):
            wish.keep_for.FromTimedelta(self.keep)
        elif self.keep is not None:
            wish.keep_until_time.FromDatetime(_aware(self.keep))
        if isinstance(self.delete_after, timedelta):
            wish.delete_after.FromTimedelta(self.delete_after)
        elif self.delete_after is not None:
            wish.delete_after_time.FromDatetime(_aware(self.delete_after))
        return wish

    @classmethod
    def from_proto(cls, wish: retention_pb2.RetentionWish) -> RetentionWish:
        """The value for a ``strongroom.metadata.v1.RetentionWish``."""
        keep: datetime | timedelta | None = None
        delete_after: datetime | timedelta | None = None
        if wish.HasField("keep_for"):
            keep = wish.keep_for.ToTimedelta()
        elif wish.HasField("keep_until_time"):
            keep = wish.keep_until_time.ToDatetime(UTC)
        if wish.HasField("delete_after"):
            delete_after = wish.delete_after.ToTimedelta()
        elif wish.HasField("delete_after_time"):
            delete_after = wish.delete_after_time.ToDatetime(UTC)
        return cls(keep, delete_after, wish.hold_reason)


def proto_of(wish: RetentionWish | None) -> retention_pb2.RetentionWish | None:
    """Return the message for a field; None if not set. Raises ValueError as ``to_proto``."""
    return None if wish is None else wish.to_proto()


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset; give a moment such as datetime(…, tzinfo=UTC)")
    return moment
