"""Return values of ``client.admin``: replicas of storage_service, and the result of a reindex."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from strongroom.metadata.v1 import replica_pb2 as pb


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of storage_service that has reported within a day. ``silent_seconds``: time since its last
    report, which it sends every few seconds. ``draining_since`` None: it is not draining. ``has_heard``: it
    has learnt that it is to drain. ``busy``: loops that are in a pass; ``requests``: in progress.
    """

    name: str
    silent_seconds: float
    draining_since: datetime | None
    has_heard: bool
    busy: tuple[str, ...]
    requests: int

    @property
    def is_idle(self) -> bool:
        """Whether it is draining and has finished what it had started."""
        return self.has_heard and not self.busy and not self.requests


@dataclass(frozen=True, slots=True)
class Reindexed:
    """``owners``: processed so far; ``recounted``: those whose usage or statistics were wrong; ``projects``:
    projects and versions whose totals were wrong.
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
