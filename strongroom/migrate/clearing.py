"""Deletes from the source what was proved to be stored, and nothing else."""

from __future__ import annotations

import asyncio
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import DONE, Journal, Record, Stored
from strongroom.migrate.owners import Owners
from strongroom.migrate.pace import Pace
from strongroom.migrate.plans import Plan
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.proving import NOT_STORED, OK, difference, ends_all, pairs, project_difference
from strongroom.migrate.sources.source import Source
from strongroom.task_groups import read_in_thread, side_by_side


@dataclass(slots=True)
class Cleared:
    """The result of a clearing. ``kept``: counts by reason. ``examples``: reference and reason of some."""

    cleared: int = 0
    bytes: int = 0
    unproved: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)
    ended_by: errors.StrongroomError | None = None

    def keep(self, entry: Entry, why: str) -> None:
        """Count an entry that is not deleted."""
        self.kept[why] += 1
        if len(self.examples) < 100:
            self.examples.append((entry.reference, why))


class Clearing:
    """Deletes from the source. Without ``is_meant`` it only counts what would be deleted."""

    def __init__(
        self, plan: Plan, journal: Journal, owners: Owners, source: Source, pace: Pace, *, is_meant: bool
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._owners = owners
        self._source = source
        self._pace = pace
        self._is_meant = is_meant
        self.outcome = Cleared()

    async def run(self, jobs: int) -> Cleared:
        """Delete one entry after the other; each deletion is recorded before the next."""
        await side_by_side(read_in_thread(self._chosen()), jobs, self._one)
        return self.outcome

    def _chosen(self) -> Iterator[tuple[Entry, Record, Stored]]:
        """Yield the entries that ``verify`` has proved, except those whose source another line still
        needs.
        """
        needed = {
            _place(entry) for entry, record in pairs(self._plan, self._journal) if not _is_proved(record)
        }
        for entry, record in pairs(self._plan, self._journal):
            if record is None or record.stored is None or not _is_proved(record):
                self.outcome.unproved += 1
            elif _place(entry) in needed:
                self.outcome.keep(entry, "another line of the plan moves it, too, which is not confirmed")
            else:
                yield entry, record, record.stored

    async def _one(self, found: tuple[Entry, Record, Stored]) -> None:
        entry, record, stored = found
        if self.outcome.ended_by is not None:
            return
        if self._is_meant:
            try:
                why = await self._still_stored(entry, stored) or await self._removed(entry, stored)
            except errors.StrongroomError as error:
                if ends_all(error):
                    self.outcome.ended_by = error
                    return
                why = f"the service can't say: {error.message}"
            if why:
                self.outcome.keep(entry, why)
                return
            await asyncio.to_thread(self._journal.cleared, [record.id])
        self.outcome.cleared += 1
        self.outcome.bytes += stored.size

    async def _still_stored(self, entry: Entry, stored: Stored) -> str:
        """Return "" if the service has the file at this moment, else what is wrong."""
        async with self._owners.acting(entry.owner) as client:
            return await self._pace.let_in(lambda: _asked(client, entry, stored))

    async def _removed(self, entry: Entry, stored: Stored) -> str:
        """Delete the source after comparing its bytes again. Return "" if it is gone, else why it is not."""
        try:
            await asyncio.to_thread(self._source.remove, entry, stored.sha256)
        except SourceGone:
            return ""
        except SourceChanged:
            return "the source has changed since it was verified"
        except (SourceFailed, PlanProblem) as error:
            return str(error)
        except OSError as error:
            return f"the source can't be deleted: {error.strerror or error}"
        return ""


async def _asked(client: AsyncClient, entry: Entry, stored: Stored) -> str:
    try:
        if entry.family == "project":
            return await project_difference(client, stored)
    except (errors.ProjectNotFound, errors.VersionNotFound):
        return NOT_STORED
    found = await client.get_many([stored.file_id])
    return difference(found[0] if found else None, stored)


def _is_proved(record: Record | None) -> bool:
    return record is not None and record.state == DONE and record.proof == OK


def _place(entry: Entry) -> str:
    """Return the place that a reference names, in a normal form."""
    return entry.reference if "://" in entry.reference else posixpath.normpath(entry.reference)
