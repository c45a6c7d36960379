"""Compares what was moved with its source, for ``verify`` and again before ``cleanup`` deletes."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import grpc

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import CLEARED, Journal, Record, Stored
from strongroom.migrate.owners import Owners
from strongroom.migrate.pace import SLOWER, Pace
from strongroom.migrate.plans import Plan
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.reading import Reading, tree_digest, tree_of
from strongroom.migrate.sources.source import Source

OK: Final = "ok"
NOT_STORED: Final = "it is no longer stored"
_SOURCE_CHANGED: Final = "the source has changed since it was moved"
_OTHER_BYTES: Final = "other bytes are stored than the source has"
_NOT_THERE: Final = (errors.FileNotFound, errors.ProjectNotFound, errors.VersionNotFound)


def pairs(plan: Plan, journal: Journal) -> Iterator[tuple[Entry, Record | None]]:
    """Yield each planned entry with its record, except those whose source was cleared."""
    for entry in plan:
        record = journal.record(entry.identity(plan.header.plan_id))
        if record is None or record.state != CLEARED:
            yield entry, record


def ends_all(error: errors.StrongroomError) -> bool:
    """Whether an error would affect all further entries: the service is unreachable, or admits nobody."""
    away = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}
    return error.code in away or isinstance(error, SLOWER)


class Prover:
    """Compares both sides. ``deep``: also read the stored bytes, instead of relying on the service's size and
    CRC-32C.
    """

    def __init__(self, owners: Owners, source: Source, pace: Pace, *, deep: bool) -> None:
        self._owners = owners
        self._source = source
        self._pace = pace
        self._deep = deep

    async def prove(self, batch: Sequence[tuple[Entry, Stored]]) -> list[str]:
        """Return for each entry ``ok`` if both sides have the same bytes, else what is wrong.

        The service is asked once per owner.

        :raises StrongroomError: the service is unreachable (``ends_all``).
        """
        results = [await self._of_source(entry, stored) for entry, stored in batch]
        for owner, numbers in _by_owner(batch, results):
            async with self._owners.acting(owner) as client:
                answers = await self._of_service(client, [batch[number][1] for number in numbers])
            for number, answer in zip(numbers, answers, strict=True):
                results[number] = answer
        return results

    async def _of_source(self, entry: Entry, stored: Stored) -> str:
        """Return ``ok`` if the source still equals what was moved. For a project the stored version is
        compared, too.
        """
        try:
            if entry.family == "project":
                return await self._project(entry, stored)
            reading = Reading(self._source, entry, self._pace)
            await reading.whole()
        except (SourceGone, SourceChanged, SourceFailed, PlanProblem, OSError) as error:
            return _said_of_source(error)
        return OK if reading.sha256 == stored.sha256 else _SOURCE_CHANGED

    async def _of_service(self, client: AsyncClient, batch: Sequence[Stored]) -> list[str]:
        """Return for each file ``ok`` if what is stored equals what was moved."""
        try:
            ids = [stored.file_id for stored in batch]
            found = await self._pace.let_in(lambda: client.get_many(ids))
        except errors.StrongroomError as error:
            return [_said_of_service(error)] * len(batch)
        there = {file.id: file for file in found}
        return [await self._file(client, stored, there.get(stored.file_id)) for stored in batch]

    async def _file(self, client: AsyncClient, stored: Stored, file: StoredFile | None) -> str:
        if (wrong := difference(file, stored)) or not self._deep:
            return wrong or OK
        try:
            digest = await self._pace.let_in(lambda: _digest(client, stored.file_id))
        except errors.StrongroomError as error:
            return _said_of_service(error)
        return OK if digest == stored.sha256 else _OTHER_BYTES

    async def _project(self, entry: Entry, stored: Stored) -> str:
        with self._source.folder(entry) as folder:
            files = await asyncio.to_thread(tree_of, folder)
        if tree_digest(files) != stored.sha256:
            return _SOURCE_CHANGED
        try:
            async with self._owners.acting(entry.owner) as client:
                return await self._pace.let_in(lambda: self._saved(client, stored, files))
        except errors.StrongroomError as error:
            return _said_of_service(error)

    async def _saved(self, client: AsyncClient, stored: Stored, files: dict[str, bytes]) -> str:
        if wrong := await project_difference(client, stored):
            return wrong
        if self._deep:
            with tempfile.TemporaryDirectory(prefix="strongroom-migrate-") as copy:
                await client.projects.restore(stored.key, copy, stored.version)
                if await asyncio.to_thread(tree_of, Path(copy)) != files:
                    return _OTHER_BYTES
        return OK


def _by_owner(
    batch: Sequence[tuple[Entry, Stored]], results: Sequence[str]
) -> Iterable[tuple[str, list[int]]]:
    """Return owners with the numbers of those of their files whose sources are unchanged."""
    found: dict[str, list[int]] = {}
    for number, (entry, _) in enumerate(batch):
        if results[number] == OK and entry.family != "project":
            found.setdefault(entry.owner, []).append(number)
    return found.items()


def _said_of_source(error: Exception) -> str:
    match error:
        case SourceGone():
            return "the source is no longer there"
        case SourceChanged():
            return "the source has changed since it was planned"
        case OSError():
            return f"the source can't be read: {error.strerror or error}"
    return f"the source can't be read: {error}"


def _said_of_service(error: errors.StrongroomError) -> str:
    """Describe an error of the service.

    :raises StrongroomError: it affects all entries.
    """
    if ends_all(error):
        raise error
    if isinstance(error, _NOT_THERE):
        return NOT_STORED
    if isinstance(error, errors.ObjectLost | errors.ChecksumMismatch):
        return f"what is stored is damaged: {error.message}"
    return f"the service can't say: {error.message}"


def difference(file: StoredFile | None, stored: Stored) -> str:
    """Return "" if the file is as it was stored, else what is wrong. ``file`` None: it doesn't exist."""
    if file is None:
        return NOT_STORED
    if file.data_loss:
        return f"what is stored is damaged: {file.data_loss}"
    return "" if (file.size, file.crc32c) == (stored.size, stored.crc32c) else _OTHER_BYTES


async def project_difference(client: AsyncClient, stored: Stored) -> str:
    """Like ``difference``, for the saved version of a project."""
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
