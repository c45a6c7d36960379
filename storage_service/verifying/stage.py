"""What the stages of a run have in common: a step goes on from a cursor and says what it has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from servicekit.archive_classes import STANDARD
from storage_service.attempts.engine import first_cause
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard

PARALLEL: Final = 16
"""Requests to the object store at one time, of one replica."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Step:
    """One step: where to go on, whether nothing is left, what was looked at and what was found; `moved`: rows
    whose objects the bucket's rules have moved to another storage class.
    """

    cursor: str
    done: bool
    counts: pb.VerificationCounts = field(default_factory=pb.VerificationCounts)
    findings: list[pb.Finding] = field(default_factory=list)
    moved: list[KeyRow] = field(default_factory=list)


class Stage(Protocol):
    """Looks at one part of a shard. Raises StrongroomError, StoreError: nothing of the step counts then."""

    async def step(self, shard: VerificationShard) -> Step:
        """From the shard's cursor on."""
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
    """What is younger may belong to a request under way, or to one that comes late (rule R5)."""

    seconds: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def is_over(self, moment: datetime) -> bool:
        """Whether something of that moment can be judged."""
        return moment <= self.clock() - timedelta(seconds=self.seconds)


async def in_parallel(items: Iterable[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """The results in order, at most PARALLEL at one time. The first error cancels the others."""
    slots = asyncio.Semaphore(PARALLEL)

    async def one(item: Item) -> Result:
        async with slots:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failed:
        raise first_cause(failed) from failed
    return [task.result() for task in tasks]
