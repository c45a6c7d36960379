"""Compares what was moved with its source: ``verify`` for everything, ``cleanup`` once more before it
deletes.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.client.uploads import Progress
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import CLEARED, DONE, Journal, Record, Stored
from strongroom.migrate.owners import Owners
from strongroom.migrate.pace import Pace
from strongroom.migrate.plans import Plan
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.reading import Reading, tree_digest, tree_of
from strongroom.migrate.side_by_side import side_by_side
from strongroom.migrate.sources.source import Source

OK: Final = "ok"
NOT_MOVED: Final = "not moved"
_NOTED_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report. ``result``: ``ok``, or in words what is wrong."""

    entry: Entry
    record: Record | None
    result: str


def pairs(plan: Plan, journal: Journal) -> Iterator[tuple[Entry, Record | None]]:
    """Each entry that was to move, with what is known of it; without those whose source was cleared."""
    for entry in plan:
        record = journal.record(entry.identity(plan.header.plan_id))
        if record is None or record.state != CLEARED:
            yield entry, record


class Prover:
    """``deep``: the stored bytes are read, too; else size and CRC-32C are those that the service names."""

    def __init__(self, owners: Owners, source: Source, pace: Pace, *, deep: bool) -> None:
        self._owners = owners
        self._source = source
        self._pace = pace
        self._deep = deep

    async def prove(self, entry: Entry, stored: Stored) -> str:
        """``ok`` when both sides hold the same bytes, else what is wrong.

        :raises StrongroomError: the service can't say now.
        """
        await self._pace.request()
        try:
            async with self._owners.acting(entry.owner) as client:
                if entry.family == "project":
                    return await self._project(client, entry, stored)
                return await self._file(client, entry, stored)
        except (SourceGone, SourceChanged, SourceFailed, PlanProblem, OSError) as error:
            return _of_source(error)
        except (errors.FileNotFound, errors.ProjectNotFound, errors.VersionNotFound):
            return "it is no longer stored"
        except (errors.ObjectLost, errors.ChecksumMismatch) as error:
            return f"what is stored is damaged: {error.message}"

    async def _file(self, client: AsyncClient, entry: Entry, stored: Stored) -> str:
        reading = Reading(self._source, entry, self._pace)
        await reading.whole()
        if reading.sha256 != stored.sha256:
            return "the source has changed since it was moved"
        if wrong := await still_stored(client, stored):
            return wrong
        if self._deep and await _digest(client, stored.file_id) != reading.sha256:
            return "other bytes are stored than the source has"
        return OK

    async def _project(self, client: AsyncClient, entry: Entry, stored: Stored) -> str:
        with self._source.folder(entry) as folder:
            files = await asyncio.to_thread(tree_of, folder)
        if tree_digest(files) != stored.sha256:
            return "the source has changed since it was moved"
        if wrong := await project_still_stored(client, stored):
            return wrong
        if self._deep:
            with tempfile.TemporaryDirectory(prefix="strongroom-migrate-") as copy:
                await client.projects.restore(stored.key, copy, stored.version)
                if await asyncio.to_thread(tree_of, Path(copy)) != files:
                    return "other bytes are stored than the source has"
        return OK


def _of_source(error: Exception) -> str:
    match error:
        case SourceGone():
            return "the source is no longer there"
        case SourceChanged():
            return "the source has changed since it was planned"
        case OSError():
            return f"the source can't be read: {error.strerror or error}"
    return f"the source can't be read: {error}"


async def still_stored(client: AsyncClient, stored: Stored) -> str:
    """Empty: the file is there as it was stored; else what is wrong.

    :raises FileNotFound: it is not there.
    """
    file = await client.get(stored.file_id)
    if file.data_loss:
        return f"what is stored is damaged: {file.data_loss}"
    if (file.size, file.crc32c) != (stored.size, stored.crc32c):
        return "other bytes are stored than the source has"
    return ""


async def project_still_stored(client: AsyncClient, stored: Stored) -> str:
    """The same of the version of a project that was saved."""
    files = {}
    async for file in client.projects.files(stored.key, stored.version):
        if file.data_loss:
            return f"what is stored is damaged: {file.path} is {file.data_loss}"
        files[file.path] = file.sha256
    return "" if tree_digest(files) == stored.sha256 else "other files are stored than the source has"


async def _digest(client: AsyncClient, file_id: str) -> bytes:
    digest = hashlib.sha256()
    async with aclosing(client.stream(file_id)) as blocks:
        async for block in blocks:
            digest.update(block)
    return digest.digest()


@dataclass(slots=True)
class Verified:
    """What a verification came to: lines by result. ``ended_by``: it did not reach the end, and why."""

    results: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    ended_by: errors.StrongroomError | None = None

    @property
    def wrong(self) -> int:
        """How many are not proved."""
        return self.results.total() - self.results[OK]


class Verification:
    """One verification of a plan's run. ``lines`` are in the order in which they ended."""

    def __init__(self, plan: Plan, journal: Journal, prover: Prover, report: Progress) -> None:
        self._plan = plan
        self._journal = journal
        self._prover = prover
        self._report = report
        self._proofs: list[tuple[str, str]] = []
        self.lines: list[Line] = []
        self.outcome = Verified()

    async def run(self, jobs: int) -> Verified:
        """Compare everything, and note what is proved."""
        try:
            await side_by_side(pairs(self._plan, self._journal), jobs, self._one)
        finally:
            self._journal.proved(self._proofs)
        return self.outcome

    async def _one(self, pair: tuple[Entry, Record | None]) -> None:
        entry, record = pair
        if self.outcome.ended_by is not None:
            return
        if record is None or record.state != DONE or record.stored is None:
            self._note(entry, record, NOT_MOVED)
            return
        try:
            result = await self._prover.prove(entry, record.stored)
        except errors.StrongroomError as error:
            if error.code is grpc.StatusCode.UNAVAILABLE or error.code is grpc.StatusCode.UNAUTHENTICATED:
                self.outcome.ended_by = error
                return
            result = f"the service can't say: {error.message}"
        self.outcome.bytes += record.stored.size
        self._proofs.append((record.id, result))
        self._note(entry, record, result)
        if len(self._proofs) >= _NOTED_AT_ONCE:
            proofs, self._proofs = self._proofs, []
            await asyncio.to_thread(self._journal.proved, proofs)

    def _note(self, entry: Entry, record: Record | None, result: str) -> None:
        self.outcome.results[result] += 1
        if result != OK:
            self.lines.append(Line(entry, record, result))
        self._report(self.outcome.bytes, None)
