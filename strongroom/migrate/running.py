"""Runs a plan: several entries in parallel, each moved at most once even if earlier runs were killed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import grpc

from strongroom import errors
from strongroom.client.uploads import Progress
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import CLEARED, DONE, Journal, Stored
from strongroom.migrate.moving import Mover
from strongroom.migrate.plans import Plan
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.task_groups import first_cause

#: Seconds. The service keeps an idempotency key for 24 hours.
KEY_HOLDS: Final = 20 * 3600.0
#: Entries recorded as begun in one transaction.
BATCH: Final = 256
#: Seconds for which ended entries are collected before they are recorded. Those lost by a kill are sent again
#: under their key, and the service answers with the file that it has.
COLLECTED: Final = 0.2
#: These affect every further entry: the run ends and can be continued later.
_ENDS_THE_RUN: Final = (
    errors.TokenMissing,
    errors.TokenInvalid,
    errors.TokenExpired,
    errors.UserMismatch,
    errors.PermissionDenied,
    errors.BucketMissing,
    errors.BucketNotVersioned,
    errors.RateLimited,  # for minutes; see Pace
)


@dataclass(slots=True)
class Outcome:
    """The result of a run.

    ``moved``: by this run. ``before``: by earlier runs. ``problems``: id, reference, code and message of the
    first hundred failures. ``ended_by``: why the run did not reach the end of the plan, if so.
    """

    moved: int = 0
    before: int = 0
    failed: int = 0
    bytes: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str, str, str]] = field(default_factory=list)
    ended_by: errors.StrongroomError | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The entries of a plan that a run takes. ``first``: the number of those that are left; None: all."""

    owner: str = ""
    first: int | None = None

    def takes(self, entry: Entry) -> bool:
        """Whether the entry is of the selected owner."""
        return not self.owner or entry.owner == self.owner


_Item = tuple[str, Entry, float | None]


class Run:
    """One run of a plan. ``report`` is called with the bytes done and the total of all entries of this
    run.
    """

    def __init__(
        self, plan: Plan, journal: Journal, mover: Mover, report: Progress, *, jobs: int, choice: Choice
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._mover = mover
        self._report = report
        self._jobs = jobs
        self._choice = choice
        self._journal_lock = asyncio.Lock()
        self._queue: asyncio.Queue[_Item | None] = asyncio.Queue(maxsize=2 * jobs)
        self._done: list[tuple[str, Stored]] = []
        self._failed: list[tuple[str, str, str]] = []
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._under_way: dict[str, int] = {}
        self._total = 0
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Move what is left of the plan. A failure doesn't affect other entries.

        :raises PlanProblem: the plan can't be read, or was edited after parts of it were moved.
        """
        self._total = await asyncio.to_thread(self._look_through)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                workers = [group.create_task(self._work()) for _ in range(self._jobs)]
                group.create_task(self._feed())
                await asyncio.gather(*workers)
                self._over.set()
                self._news.set()
        except BaseExceptionGroup as failed:
            raise first_cause(failed) from None
        finally:
            self._flush()
        return self.outcome

    def _look_through(self) -> int:
        """Return the bytes of what is left, after checking that lines of moved entries were not edited."""
        total = done = 0
        for entry_id, entry in self._lines():
            known = self._journal.state_of(entry_id)
            state = known[0] if known is not None else ""
            done += state == DONE
            if self._choice.takes(entry):
                if state in {DONE, CLEARED}:
                    self.outcome.before += 1
                else:
                    total += entry.size or 0
        if done != self._journal.counts().get(DONE, 0):  # else no line is missing
            self._refuse_what_was_edited()
        return total

    def _refuse_what_was_edited(self) -> None:
        """Check the lines of moved entries.

        :raises PlanProblem: a reference was moved by a line that the plan no longer has.
        """
        missing = {record.id: record.reference for record in self._journal.records(DONE)}
        for entry_id, _ in self._lines():
            missing.pop(entry_id, None)
        moved = set(missing.values())
        for entry_id, entry in self._chosen():
            if entry.reference in moved and self._journal.state_of(entry_id) is None:
                raise PlanProblem(
                    f"{entry.reference!a} was moved before its line in {self._plan.path} was changed; put the"
                    " line back as it was, or make a new plan"
                )

    def _lines(self) -> Iterator[tuple[str, Entry]]:
        for entry in self._plan:
            yield entry.identity(self._plan.header.plan_id), entry

    def _chosen(self) -> Iterator[tuple[str, Entry]]:
        return (line for line in self._lines() if self._choice.takes(line[1]))

    def _left(self) -> Iterator[_Item]:
        """Yield what is not moved yet.

        An entry is doubtful if it may be stored by a request whose idempotency key has expired: it was begun
        long ago, or the journal is newer than the plan.
        """
        made = datetime.fromisoformat(self._plan.header.made_at).timestamp()
        since = self._journal.begun_first(made)
        unknown = made if self._journal.is_new and time.time() - made > KEY_HOLDS else None
        for entry_id, entry in self._chosen():
            known = self._journal.state_of(entry_id)
            if known is None:
                yield entry_id, entry, unknown
            elif known[0] not in {DONE, CLEARED}:
                yield entry_id, entry, since if time.time() - known[1] > KEY_HOLDS else None

    async def _feed(self) -> None:
        left = itertools.islice(self._left(), self._choice.first)
        while self.outcome.ended_by is None:
            async with self._journal_lock:
                batch = await asyncio.to_thread(lambda: list(itertools.islice(left, BATCH)))
                await asyncio.to_thread(self._journal.begin, [(key, entry) for key, entry, _ in batch])
            for item in batch:
                await self._queue.put(item)
            if not batch:
                break
        for _ in range(self._jobs):
            await self._queue.put(None)

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            if self.outcome.ended_by is None:
                await self._one(*item)

    async def _one(self, entry_id: str, entry: Entry, doubtful_since: float | None) -> None:
        def report(done: int, _: int | None) -> None:
            self._under_way[entry_id] = done
            self._tell()

        try:
            stored = await self._mover.move(entry_id, entry, doubtful_since, report)
        except errors.StrongroomError as error:
            if isinstance(error, _ENDS_THE_RUN) or error.code is grpc.StatusCode.UNAVAILABLE:
                self.outcome.ended_by = self.outcome.ended_by or error
            else:
                self._fail(entry_id, entry, error.reason_name, error.message)
        except SourceFailed as error:
            self._fail(entry_id, entry, "SOURCE_UNREADABLE", str(error))
        except SourceGone:
            self._fail(entry_id, entry, "SOURCE_GONE", "it is no longer there")
        except SourceChanged:
            self._fail(entry_id, entry, "SOURCE_CHANGED", "it was changed since it was planned; plan again")
        except OSError as error:
            self._fail(entry_id, entry, "SOURCE_UNREADABLE", error.strerror or str(error))
        except PlanProblem as error:
            self._fail(entry_id, entry, "PLAN", str(error))
        else:
            self.outcome.moved += 1
            self.outcome.bytes += stored.size
            self._done.append((entry_id, stored))
        self._under_way.pop(entry_id, None)
        self._tell()
        self._news.set()

    def _fail(self, entry_id: str, entry: Entry, code: str, message: str) -> None:
        self.outcome.failed += 1
        self.outcome.codes[code] += 1
        if len(self.outcome.problems) < 100:
            self.outcome.problems.append((entry_id, entry.reference, code, message))
        self._failed.append((entry_id, code, message))

    def _tell(self) -> None:
        self._report(self.outcome.bytes + sum(self._under_way.values()), self._total)

    async def _write(self) -> None:
        """Record ended entries a few times per second, because each transaction waits for the disk."""
        while not self._over.is_set():
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(COLLECTED):
                    await self._over.wait()
            self._news.clear()
            async with self._journal_lock:
                await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        done, self._done = self._done, []
        failed, self._failed = self._failed, []
        self._journal.done(done)
        self._journal.failed(failed)
