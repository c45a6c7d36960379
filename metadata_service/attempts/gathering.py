"""Batching of concurrent calls: a group contains the calls that arrived while all workers were busy.

There is no timer: a single call is served at once. Owners take turns, one wish each, so that a flood of calls
of one owner does not keep others out of the next group.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from metadata_service.db.database import NothingCommitted, in_doubt
from servicekit.telemetry.tracing import call
from strongroom.errors import DatabaseUnavailable

W = TypeVar("W")
R = TypeVar("R")

WORKERS: Final = 2
SIZE: Final = 32

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Member(Generic[W, R]):
    """A wish and the future of its answer. None as the answer: the wish has to be tried alone."""

    wish: W
    answer: asyncio.Future[R | None]


class Gathering(Generic[W, R]):
    """Serves wishes in groups: at most `workers` groups at a time, each of at most `size` wishes.

    `run` serves a group in one transaction. It returns one answer for each wish; None: the wish has to be
    tried alone. It raises NothingCommitted if nothing was changed, and DatabaseUnavailable if the outcome is
    unknown (rule R4), then for every member.
    """

    def __init__(
        self,
        run: Callable[[Sequence[W]], Awaitable[Sequence[R | None]]],
        *,
        workers: int = WORKERS,
        size: int = SIZE,
    ) -> None:
        self._run = run
        self._size = size
        self._limit = workers
        self._workers: set[asyncio.Task[None]] = set()
        self._waiting: OrderedDict[str, deque[_Member[W, R]]] = OrderedDict()
        self.groups = 0
        self.members = 0
        self.deserted = 0
        """Wishes served after their callers had gone. The attempts they wrote are left to the cleaner."""

    async def ask(self, owner_id: str, wish: W) -> R | None:
        """Serve a wish in a group. Returns its answer; None: it has to be tried alone.

        A cancelled caller leaves the queue. If its group is already running, the cleaner finds what it wrote.
        Raises DatabaseUnavailable: the outcome is unknown.
        """
        member: _Member[W, R] = _Member(wish, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(owner_id, deque()).append(member)
        if len(self._workers) < self._limit:
            # A new context: the work done for others must not carry this caller's request id, user or trace.
            worker = asyncio.create_task(self._work(), context=contextvars.Context())
            self._workers.add(worker)
        # This span covers the group's transaction and the wait for it, in each member's trace.
        with call("postgresql group", {"db.system.name": "postgresql"}):
            return await member.answer

    @property
    def under_way(self) -> frozenset[asyncio.Task[None]]:
        """The tasks of the workers that are running now."""
        return frozenset(self._workers)

    async def drained(self) -> None:
        """Wait until all running groups have ended. Call it when no more wishes will come."""
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while members := self._take():
                await self._serve(members)
        except BaseException:  # cancelled: nobody else would serve those who wait
            while members := self._take():
                _refuse(members, in_doubt())
            raise
        finally:
            self._workers.remove(asyncio.current_task())  # type: ignore[arg-type]  # a worker is a task

    def _take(self) -> list[_Member[W, R]]:
        """The next group: one wish of each owner in turn, without those of callers who have gone."""
        taken: list[_Member[W, R]] = []
        while self._waiting and len(taken) < self._size:
            owner_id, wishes = self._waiting.popitem(last=False)
            member = wishes.popleft()
            if wishes:
                self._waiting[owner_id] = wishes
            if not member.answer.done():
                taken.append(member)
        return taken

    async def _serve(self, members: Sequence[_Member[W, R]]) -> None:
        try:
            answers = await self._answers([member.wish for member in members])
        except BaseException:  # cancelled: COMMIT may have been sent
            _refuse(members, in_doubt())
            raise
        if isinstance(answers, DatabaseUnavailable):
            _refuse(members, answers)
            return
        self.groups += 1
        self.members += len(members)
        for member, answer in zip(members, answers, strict=True):
            if not member.answer.done():
                member.answer.set_result(answer)
            elif answer is not None:
                self.deserted += 1

    async def _answers(self, wishes: Sequence[W]) -> Sequence[R | None] | DatabaseUnavailable:
        """One answer for each wish, or the error for all of them."""
        try:
            return await self._run(wishes)
        except NothingCommitted:
            return [None] * len(wishes)
        except DatabaseUnavailable as error:
            return error
        except Exception:
            log.exception("group_failed", members=len(wishes))
            return in_doubt()


def _refuse(members: Sequence[_Member[W, R]], error: DatabaseUnavailable) -> None:
    """Fail each member with its own copy of `error`: a traceback grows with every task that raises it."""
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(DatabaseUnavailable(error.message, retry_after=error.retry_after))


_LABELS: Final = ("step",)


class GroupMetrics(Collector):
    """Metrics of gatherings, by name: `reserve`, `commit`."""

    def __init__(self, gatherings: Mapping[str, Gathering[Any, Any]]) -> None:
        self._gatherings = gatherings

    def collect(self) -> Iterable[Metric]:
        """Members ÷ groups is the mean number of attempts per transaction."""
        groups = CounterMetricFamily(
            "strongroom_groups", "Transactions shared by several attempts (group commits).", labels=_LABELS
        )
        members = CounterMetricFamily(
            "strongroom_group_members", "Attempts in group commits.", labels=_LABELS
        )
        deserted = CounterMetricFamily(
            "strongroom_group_deserted",
            "Attempts in group commits whose caller had disconnected before the write.",
            labels=_LABELS,
        )
        for step, gathering in self._gatherings.items():
            groups.add_metric((step,), gathering.groups)
            members.add_metric((step,), gathering.members)
            deserted.add_metric((step,), gathering.deserted)
        return groups, members, deserted
