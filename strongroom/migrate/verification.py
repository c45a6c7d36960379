"""One verification of all that a plan has moved. After an interruption, the next one continues it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom import errors
from strongroom.client.uploads import Progress
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import DONE, Journal, Record, Stored
from strongroom.migrate.plans import Plan
from strongroom.migrate.proving import OK, Prover, pairs
from strongroom.task_groups import read_in_thread, side_by_side

NOT_MOVED: Final = "not moved"
#: Entries that are compared and recorded together; a kill loses at most this much work per job.
BATCH: Final = 64
BATCH_BYTES: Final = 8 * 1024 * 1024
#: Lines that are kept for display.
_KEPT: Final = 100

_Pair = tuple[Entry, Record | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report. ``result``: what is wrong, in words."""

    entry: Entry
    result: str


@dataclass(slots=True)
class Verified:
    """The result of a verification: counts by result, and the first hundred lines without a proof.

    ``before``: how many were proved before it was continued. ``ended_by``: why it did not reach the end, if
    so.
    """

    results: Counter[str] = field(default_factory=Counter)
    lines: list[Line] = field(default_factory=list)
    bytes: int = 0
    before: int = 0
    ended_by: errors.StrongroomError | None = None

    @property
    def wrong(self) -> int:
        """How many are not proved."""
        return self.results.total() - self.results[OK]


class Verification:
    """``deep``: as in Prover. An interrupted one is continued if it was at least as deep: its proofs are
    kept.

    ``anew``: begin again.
    """

    def __init__(
        self, plan: Plan, journal: Journal, prover: Prover, report: Progress, *, deep: bool, anew: bool
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._prover = prover
        self._report = report
        self._deep = deep
        self._anew = anew
        self.outcome = Verified()

    async def run(self, jobs: int) -> Verified:
        """Compare everything and record the proofs, batch by batch."""
        await asyncio.to_thread(self._journal.verify, deep=self._deep, anew=self._anew)
        await side_by_side(read_in_thread(self._batches()), jobs, self._compare)
        if self.outcome.ended_by is None:
            await asyncio.to_thread(self._journal.verified)
        return self.outcome

    def _batches(self) -> Iterator[Sequence[_Pair]]:
        batch: list[_Pair] = []
        size = 0
        for entry, record in pairs(self._plan, self._journal):
            batch.append((entry, record))
            size += record.stored.size if record is not None and record.stored is not None else 0
            if len(batch) == BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _compare(self, batch: Sequence[_Pair]) -> None:
        if self.outcome.ended_by is not None:
            return
        wanted: list[tuple[Entry, Stored]] = []
        ids: list[str] = []
        for entry, record in batch:
            if record is None or record.state != DONE or record.stored is None:
                self._note(entry, NOT_MOVED)
            elif record.proof == OK:
                self.outcome.before += 1
                self._note(entry, OK, record.stored.size)
            else:
                wanted.append((entry, record.stored))
                ids.append(record.id)
        try:
            results = await self._prover.prove(wanted)
        except errors.StrongroomError as error:
            self.outcome.ended_by = error
            return
        await asyncio.to_thread(self._journal.proved, list(zip(ids, results, strict=True)))
        for (entry, stored), result in zip(wanted, results, strict=True):
            self._note(entry, result, stored.size)

    def _note(self, entry: Entry, result: str, size: int = 0) -> None:
        self.outcome.results[result] += 1
        self.outcome.bytes += size
        if result != OK and len(self.outcome.lines) < _KEPT:
            self.outcome.lines.append(Line(entry, result))
        self._report(self.outcome.bytes, None)
