"""Values of administration: replicas of storage_service, and what a reindex has done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from strongroom.metadata.v1 import replica_pb2 as pb


@dataclass(frozen=True, slots=True)
class Replica:
    """A storage_service that has told of itself within a day. ``silent_seconds``: since it last did, which it
    does every few seconds. ``draining_since``: None: it shall work. ``has_heard``: it says itself that it
    drains. ``busy``: loops in the midst of something; ``requests``: in progress.
    """

    name: str
    silent_seconds: float
    draining_since: datetime | None
    has_heard: bool
    busy: tuple[str, ...]
    requests: int

    @property
    def is_idle(self) -> bool:
        """It drains, and has ended what it had begun."""
        return self.has_heard and not self.busy and not self.requests


@dataclass(frozen=True, slots=True)
class Reindexed:
    """``owners``: looked at so far; ``recounted``: those whose usage or statistics were wrong; ``projects``:
    projects and versions whose totals were.
    """

    owners: int
    recounted: int
    projects: int


def to_replica(found: pb.Replica, now: datetime) -> Replica:
    """From the protobuf."""
    since = found.drain_time.ToDatetime(UTC) if found.HasField("drain_time") else None
    return Replica(
        name=found.name,
        silent_seconds=max(0.0, (now - found.report_time.ToDatetime(UTC)).total_seconds()),
        draining_since=since,
        has_heard=since is not None and found.draining,
        busy=tuple(found.busy),
        requests=found.requests,
    )
