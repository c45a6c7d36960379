"""Restores a project whose newest version the database does not know.

The objects that its keys show in the bucket are that version, because delete markers hide everything else.
They are saved as a new version by an ordinary save.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedObject, ObjectInfo, ObjectRef
from storage_service.parallel import in_parallel
from strongroom.metadata.v1.project_save_service_pb2 import CommitSaveResponse
from strongroom.storage.v1.project_pb2 import SaveProjectFile, SaveProjectRequest, SaveProjectSpec

EXECUTABLE_KEY: Final = "strongroom-executable"
PIECE: Final = 1 << 20


class Saves(Protocol):
    """Saves projects."""

    async def save(self, requests: AsyncIterator[SaveProjectRequest]) -> CommitSaveResponse:
        """See ``projects.saver``."""
        ...


class ProjectRestorer:
    """One instance per process."""

    def __init__(self, store: ObjectStore, saves: Saves) -> None:
        self._store = store
        self._saves = saves

    async def save(self, owner_id: str, slug: str, prefix: str) -> CommitSaveResponse:
        """Save the current objects below ``prefix`` (``projects/{owner}/{slug}/``) as the project's next
        version.

        Raises what a save raises: limits, quota, RequestInProgress; and StoreError.
        """
        listed = [one async for page in self._store.list_objects(prefix) for one in page]
        infos = await in_parallel(listed, self._look)
        files = [
            (one, info) for one, info in zip(listed, infos, strict=True) if info.metadata.get(ATTEMPT_KEY)
        ]
        return await self._saves.save(self._requests(owner_id, slug, prefix, files))

    async def _look(self, one: ListedObject) -> ObjectInfo:
        return await self._store.head(ObjectRef(one.key))

    async def _requests(
        self, owner_id: str, slug: str, prefix: str, files: list[tuple[ListedObject, ObjectInfo]]
    ) -> AsyncIterator[SaveProjectRequest]:
        """The requests of a save, read from the bucket file by file."""
        yield SaveProjectRequest(spec=SaveProjectSpec(slug=slug, user_id=owner_id))
        for one, info in files:
            head = SaveProjectFile(
                path=one.key.removeprefix(prefix),
                size_bytes=info.size,
                executable=info.metadata.get(EXECUTABLE_KEY) == "true",
            )
            if info.crc32c is not None:
                head.crc32c = info.crc32c
            yield SaveProjectRequest(file=head)
            async with self._store.open(ObjectRef(one.key, info.version_id), if_match=info.etag) as stream:
                async for piece in stream:
                    for at in range(0, len(piece), PIECE):
                        yield SaveProjectRequest(data=bytes(piece[at : at + PIECE]))
        yield SaveProjectRequest(finish_write=True)
