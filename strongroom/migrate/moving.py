"""Moves one entry, at most once, even if earlier tries were killed."""

from __future__ import annotations

import asyncio
from typing import Final

from strongroom import errors
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.project_values import Project
from strongroom.client.uploads import Progress
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import Stored
from strongroom.migrate.owners import MARK, Owners
from strongroom.migrate.pace import Pace
from strongroom.migrate.reading import Reading, tree_digest, tree_of
from strongroom.migrate.sources.source import Source
from strongroom.subjects import key_segment

_REQUEST: Final = "migrate-"


class Mover:
    """Moves entries. ``replaces``: replace a file at the same path or a project of the same slug."""

    def __init__(self, owners: Owners, source: Source, pace: Pace, *, replaces: bool) -> None:
        self._owners = owners
        self._source = source
        self._pace = pace
        self._replaces = replaces

    async def move(
        self, entry_id: str, entry: Entry, doubtful_since: float | None, report: Progress
    ) -> Stored:
        """Store an entry and return the result, after comparing the bytes of both sides.

        :param doubtful_since: it may have been stored since then (seconds since 1970) by a request whose
        idempotency
            key has expired; None: it can't have been.
        :raises SourceGone: or SourceChanged, OSError: of the source. :raises StrongroomError: of the service.
        """
        return await self._pace.let_in(lambda: self._move(entry_id, entry, doubtful_since, report))

    async def _move(
        self, entry_id: str, entry: Entry, doubtful_since: float | None, report: Progress
    ) -> Stored:
        async with self._owners.acting(entry.owner) as client:
            if entry.family == "project":
                return await self._project(client, entry_id, entry, report)
            reading = Reading(self._source, entry, self._pace)
            if doubtful_since is not None:
                found = await self._owners.marked(entry.owner, entry_id, doubtful_since)
                if found is not None:
                    await reading.whole()
                    return _compared(found, reading)
            return await self._file(client, entry_id, entry, reading, report)

    async def _file(
        self, client: AsyncClient, entry_id: str, entry: Entry, reading: Reading, report: Progress
    ) -> Stored:
        small = await reading.small()
        try:
            file = await client.upload(
                reading.blocks if small is None else small,
                entry.target,
                filename=entry.name or None,
                content_type=entry.type,
                size=entry.size,
                metadata={MARK: entry_id},
                if_generation_match=0 if entry.place and not self._replaces else None,
                request_id=_REQUEST + entry_id,
                on_progress=report,
            )
        except errors.PreconditionFailed:
            file = await _there(client, entry)
            await reading.whole()
            if (file.size, file.crc32c) != (reading.size, reading.crc32c):
                raise errors.PreconditionFailed(
                    "something else is stored there already; move it away, or add --replace"
                ) from None
        await reading.whole()
        return _compared(file, reading)

    async def _project(self, client: AsyncClient, entry_id: str, entry: Entry, report: Progress) -> Stored:
        with self._source.folder(entry) as folder:
            files = await asyncio.to_thread(tree_of, folder)
            there = await _project_there(client, entry.key)
            if there is not None and await _is_like(client, there, files):
                return _saved(there, files)
            if there is not None and not self._replaces:
                raise errors.VersionConflict(
                    f"there is a project {entry.key} already; move it away, or add --replace"
                )
            saved = await client.projects.save(
                folder,
                entry.key,
                entry.name,
                expected_version=there.version if there else 0,
                request_id=f"{_REQUEST}{entry_id}-{there.version if there else 0}",
                on_progress=report,
            )
            if not await _is_like(client, saved.project, files):
                raise errors.ChecksumMismatch(
                    "the project was changed while it was saved; compare it with its source"
                )
            return _saved(saved.project, files)


async def _there(client: AsyncClient, entry: Entry) -> StoredFile:
    if entry.family == "profile_picture":
        return await client.event_media.get_profile_picture()
    return await client.get(f"paths/{key_segment(entry.owner)}/{entry.key}")


async def _project_there(client: AsyncClient, slug: str) -> Project | None:
    try:
        return await client.projects.get(slug)
    except errors.ProjectNotFound:
        return None


async def _is_like(client: AsyncClient, project: Project, files: dict[str, bytes]) -> bool:
    listed = {file.path: file.sha256 async for file in client.projects.files(project.slug, project.version)}
    return listed == files


def _saved(project: Project, files: dict[str, bytes]) -> Stored:
    return Stored(project.id, project.slug, project.size, 0, tree_digest(files), project.version)


def _compared(file: StoredFile, reading: Reading) -> Stored:
    """Compare what the service stores with what was read, and return it.

    :raises ChecksumMismatch: they differ.
    """
    if (file.size, file.crc32c) != (reading.size, reading.crc32c):
        raise errors.ChecksumMismatch(
            f"{file.key} has other bytes than its source: {file.size} bytes, CRC-32C {file.crc32c:08x}; the"
            f" source {reading.size}, {reading.crc32c:08x}. Was the source changed after it was moved?"
        )
    return Stored(file.id, file.key, file.size, file.crc32c, reading.sha256)
