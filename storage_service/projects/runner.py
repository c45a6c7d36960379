"""Runs saves: begin, write while the lease is renewed, then commit or give up (`attempts.engine`).

Giving up sends the save's attempts to ABORTING. One save makes one version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from servicekit import failpoints
from storage_service.attempts.engine import Holder, WriteEngine
from storage_service.attempts.failures import FailureTeller, of_save
from storage_service.metadata.projects import ProjectSaves
from storage_service.projects.settler import KeySettler
from strongroom.errors import IdempotencyKeyReused
from strongroom.metadata.v1 import project_save_service_pb2 as pb

BEFORE_BEGIN = failpoints.register("storage.project.begin.before")
AFTER_BEGIN = failpoints.register("storage.project.begin.after")
BEFORE_COMMIT = failpoints.register("storage.project.commit.before")
AFTER_COMMIT = failpoints.register("storage.project.commit.after")

GIVE_UP_SECONDS = 1.0
"""How long an error waits for its save to be given up."""


@dataclass(frozen=True, slots=True)
class OpenSave:
    """A save in progress."""

    owner_id: str
    save_id: str
    base_version: int
    storage_class: str = ""


class SaveRunner:
    """Runs saves; one instance per process."""

    def __init__(
        self, saves: ProjectSaves, engine: WriteEngine, settler: KeySettler, failures: FailureTeller
    ) -> None:
        self._saves = saves
        self.failures = failures
        self._engine = engine
        self._settler = settler

    async def check(self) -> None:
        """Check that saves are possible at all. Raises BucketNotVersioned, ObjectStoreUnavailable."""
        await self._engine.gate.check_save()

    async def run(
        self,
        request: pb.BeginSaveRequest,
        write: Callable[[OpenSave], Awaitable[pb.CommitSaveRequest]],
        content: Callable[[], Awaitable[bytes]],
    ) -> pb.CommitSaveResponse:
        """Begin, ``write``, commit. ``content``: returns the request's content_sha256, for a repeat that is
        not written.

        Raises BucketNotVersioned, RequestInProgress, VersionConflict, IdempotencyKeyReused and what ``write``
        raises; then nothing was saved. After ServiceUnavailable, DatabaseUnavailable or DeadlineExceeded the
        version may exist.
        """
        async with self.failures.telling(of_save, request):
            await self.check()
            await failpoints.hit(BEFORE_BEGIN)
            begun = await self._saves.begin(request)
            await failpoints.hit(AFTER_BEGIN)
            if begun.HasField("replay"):
                return _same_content(begun.replay, await content())
            save = OpenSave(begun.owner_id, begun.save_id, begun.base_version, request.storage_class)
            holder = self._holder(save)
            async with self._engine.hold(holder):
                commit = await write(save)
            await failpoints.hit(BEFORE_COMMIT)
            response = await self._engine.commit(holder, partial(self._saves.commit_save, commit))
            await failpoints.hit(AFTER_COMMIT)
            await self._settler.settle_project(save.owner_id, request.slug)
            return response

    def _holder(self, save: OpenSave) -> Holder:
        return Holder(
            {"save_id": save.save_id},
            renew=lambda: self._saves.renew(save.owner_id, save.save_id),
            abandon=lambda: self._saves.abandon_save(save.owner_id, save.save_id),
            patience=GIVE_UP_SECONDS,
        )


def _same_content(earlier: pb.CommitSaveResponse, content: bytes) -> pb.CommitSaveResponse:
    if earlier.content_sha256 != content:
        raise IdempotencyKeyReused("this idempotency key was used before, for other content; use a new key")
    return earlier
