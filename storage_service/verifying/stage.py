"""The interface of the stages of a run: a step continues from a cursor and returns its findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from servicekit.archive_classes import STANDARD
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard


@dataclass(slots=True)
class Step:
    """Result of one step: the next cursor, whether the shard is done, counts and findings.

    ``moved``: rows whose objects a lifecycle rule has moved to another storage class.
    """

    cursor: str
    done: bool
    counts: pb.VerificationCounts = field(default_factory=pb.VerificationCounts)
    findings: list[pb.Finding] = field(default_factory=list)
    moved: list[KeyRow] = field(default_factory=list)


class Stage(Protocol):
    """Checks one part of a shard. Raises StrongroomError, StoreError: then nothing of the step counts."""

    async def step(self, shard: VerificationShard) -> Step:
        """Take one step from the shard's cursor."""
        ...


@dataclass(frozen=True, slots=True)
class Rates:
    """See ``StorageSettings``."""

    interval_seconds: float
    grace_seconds: float
    scrub_bytes_per_second: int
    storage_class: str = STANDARD


@dataclass(frozen=True, slots=True)
class Grace:
    """The age below which something may belong to a request in progress, or to a late one (rule R5)."""

    seconds: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def is_over(self, moment: datetime) -> bool:
        """Whether something from ``moment`` is old enough to be judged."""
        return moment <= self.clock() - timedelta(seconds=self.seconds)
