"""Calls of ``client.projects`` with a spool."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

from strongroom import errors
from strongroom.client.local_files import in_worker, replacing
from strongroom.client.project_restores import differing, places_of, set_modes
from strongroom.client.project_saves import saved_by
from strongroom.client.project_trees import blocks_of
from strongroom.client.project_values import Project, RestoredProject, SavedProject
from strongroom.client.retries import BRIEF
from strongroom.client.spooling.operations import ArchiveOperation, CallOperation, TreeOperation
from strongroom.client.spooling.projects import WaitingProject, projects_of
from strongroom.client.spooling.spool import Spool, is_away
from strongroom.client.uploads import Progress
from strongroom.path_rules import as_stored
from strongroom.storage.v1 import project_pb2

SaveOperation = TreeOperation | ArchiveOperation | CallOperation
Answer = TypeVar("Answer")


class SpooledProjects:
    """The projects of one user: ``user_id``, or the token's subject if that is empty."""

    def __init__(self, spool: Spool, user_id: str) -> None:
        self._spool = spool
        self._user_id = user_id

    async def owner(self) -> str:
        """Return the owner of these projects."""
        return self._user_id or await self._spool.subject()

    async def save(self, operation: SaveOperation) -> SavedProject:
        """Return the save as stored by the service, or as it waits. Raises as ``Spool.run``."""
        answer, _ = await self._spool.run(operation, self._user_id)
        if answer is not None:
            return saved_by(answer)  # type: ignore[arg-type]  # of a save
        waiting = (await self._waiting())[operation.slug]
        return waiting.saved(await self.owner())

    async def delete(self, operation: CallOperation) -> Project:
        """Return the deleted project as far as it is known. Raises as ``Spool.run``."""
        before = (await self._waiting()).get(operation.slug)
        answer, _ = await self._spool.run(operation, self._user_id)
        if isinstance(answer, project_pb2.DeleteProjectResponse):
            return Project.from_proto(answer.project)
        waiting = before or (await self._waiting())[operation.slug]
        return waiting.project(await self.owner())

    async def find(self, slug: str) -> WaitingProject | None:
        """Return a project with its waiting operations, or None. Raises ProjectNotFound if its deletion
        waits.
        """
        waiting = (await self._waiting()).get(slug)
        if waiting is not None and waiting.is_gone:
            raise errors.ProjectNotFound("There is no such project: its deletion waits in the spool.")
        return None if waiting is None or waiting.files is None else waiting

    async def over(self, stored: AsyncGenerator[Project]) -> AsyncGenerator[Project]:
        """Yield a list completed by waiting projects. If the service can't be reached, yield only those, if
        any.
        """
        waiting, owner = await self._waiting(), await self.owner()
        mine = [project for project in waiting.values() if not project.is_gone and project.files is not None]
        for project in sorted(mine, key=lambda one: one.updated_at, reverse=True):
            yield project.project(owner)
        shown = {project.slug for project in mine} | {slug for slug, one in waiting.items() if one.is_gone}
        BRIEF.set(bool(shown))
        try:
            async for found in stored:
                if found.slug not in shown:
                    yield found
        except errors.StrongroomError as error:
            if not shown or not is_away(error):
                raise
        finally:
            BRIEF.set(False)

    async def if_there(self, asked: Awaitable[Answer], otherwise: Answer) -> Answer:
        """Return the service's answer, or ``otherwise`` if it can't be reached."""
        brief = BRIEF.set(True)
        try:
            return await asked
        except errors.StrongroomError as error:
            if not is_away(error):
                raise
            return otherwise
        finally:
            BRIEF.reset(brief)

    async def _waiting(self) -> dict[str, WaitingProject]:
        disk = await self._spool.disk()
        return await asyncio.to_thread(projects_of, disk, self._user_id)


async def restore_waiting(
    waiting: WaitingProject, directory: Path, *, overwrite: bool, on_progress: Progress | None
) -> RestoredProject:
    """Write a waiting project into a folder, like ``Projects.restore``. Raises FileExistsError, OSError."""
    files = list(waiting.listed())
    places = await in_worker(places_of, directory, files)
    wanted = await in_worker(differing, places, overwrite)
    done, total = 0, sum(file.size for file, _ in wanted)
    for file, place in wanted:
        await in_worker(_make_folder, place.parent)
        async with replacing(place) as local:
            await in_worker(_copy, (waiting.files or {})[file.path].local, local)
        done += file.size
        if on_progress is not None:
            on_progress(done, total)
    await in_worker(set_modes, places)
    return RestoredProject(directory, 0, len(files), tuple(file.path for file, _ in wanted))


async def read_waiting(waiting: WaitingProject, path: str) -> bytes:
    """Return one file of a waiting project, like ``Projects.read``. Raises FileNotFound, OSError."""
    file = (waiting.files or {}).get(as_stored(path))
    if file is None:
        raise errors.FileNotFound("The save of this project that waits in the spool has no such file.")
    return await in_worker(lambda: b"".join(blocks_of(file)))


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _copy(source: Path | bytes, into: Any) -> None:
    if isinstance(source, bytes):
        into.write(source)
        return
    with source.open("rb") as body:
        shutil.copyfileobj(body, into)
