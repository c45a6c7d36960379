"""The frame of every save: begin, write under a renewed lease, commit — or give up. One save makes one
version.

Whatever fails before the commit gives the save up: its blobs go to ABORTING and the cleaner removes what it
wrote.
When the outcome of the commit is unknown nothing is compensated (rule R4): the commit is repeated, and a
repeat of
the request with the same request_id gets the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from servicekit import failpoints
from storage_service.attempts.lease import LeaseKeeper
from storage_service.attempts.outcomes import UNKNOWN_OUTCOME, until_known
from storage_service.attempts.versioning import VersioningGate
from storage_service.metadata.projects import ProjectSaves
from storage_service.objectstore.translation import translated
from storage_service.projects.settler import KeySettler
from strongroom.errors import BucketNotVersioned, IdempotencyKeyReused, StrongroomError
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle

log = structlog.get_logger(__name__)

BEFORE_BEGIN = failpoints.register("storage.project.begin.before")
AFTER_BEGIN = failpoints.register("storage.project.begin.after")
BEFORE_COMMIT = failpoints.register("storage.project.commit.before")
AFTER_COMMIT = failpoints.register("storage.project.commit.after")

GIVE_UP_SECONDS = 1.0
"""So long an error waits for its save to be given up."""


@dataclass(frozen=True, slots=True)
class OpenSave:
    """A save under way."""

    owner_id: str
    save_id: str
    base_version: int


class SaveLease:
    """A save's lease, in the words of LeaseKeeper."""

    def __init__(self, saves: ProjectSaves) -> None:
        self._saves = saves

    async def renew_lease(self, blob: BlobHandle) -> float:
        """``blob`` names the save. Raises UploadSuperseded."""
        return await self._saves.renew(blob.owner_id, blob.blob_id)


class SaveRunner:
    """Runs saves; one instance per process."""

    def __init__(
        self,
        saves: ProjectSaves,
        gate: VersioningGate,
        settler: KeySettler,
        *,
        lease_seconds: float,
        wake_cleaner: Callable[[], None],
    ) -> None:
        self._saves = saves
        self._gate = gate
        self._settler = settler
        self._lease_seconds = lease_seconds
        self._wake_cleaner = wake_cleaner
        self._giving_up: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Whether saves can be kept at all. Raises BucketNotVersioned."""
        await self._gate.check()

    async def run(
        self,
        request: pb.BeginSaveRequest,
        write: Callable[[OpenSave], Awaitable[pb.CommitSaveRequest]],
        content: Callable[[], Awaitable[bytes]],
    ) -> pb.CommitSaveResponse:
        """Begin, ``write``, commit. ``content``: the request's content_sha256, for a repeat that is not
        written again.

        Raises BucketNotVersioned, RequestInProgress, VersionConflict, IdempotencyKeyReused and what
        ``write`` raises;
        then nothing was saved. After ServiceUnavailable, DatabaseUnavailable or DeadlineExceeded the
        version may be
        there after all.
        """
        await self.check()
        await failpoints.hit(BEFORE_BEGIN)
        begun = await self._saves.begin(request)
        await failpoints.hit(AFTER_BEGIN)
        if begun.HasField("replay"):
            return _same_content(begun.replay, await content())
        save = OpenSave(begun.owner_id, begun.save_id, begun.base_version)
        commit = await self._write(save, write)
        await failpoints.hit(BEFORE_COMMIT)
        response = await self._commit(save, commit)
        await failpoints.hit(AFTER_COMMIT)
        await self._settler.settle_project(save.owner_id, request.slug)
        return response

    async def aclose(self) -> None:
        """Wait for saves that are being given up."""
        await asyncio.gather(*self._giving_up, return_exceptions=True)

    async def _write(
        self, save: OpenSave, write: Callable[[OpenSave], Awaitable[pb.CommitSaveRequest]]
    ) -> pb.CommitSaveRequest:
        handle = BlobHandle(blob_id=save.save_id, epoch=1, owner_id=save.owner_id)
        try:
            async with LeaseKeeper(SaveLease(self._saves), handle, self._lease_seconds):
                with translated():
                    return await write(save)
        except BaseException as error:
            if isinstance(error, BucketNotVersioned):
                self._gate.distrust()
            await self._give_up(save, error)
            raise

    async def _commit(self, save: OpenSave, request: pb.CommitSaveRequest) -> pb.CommitSaveResponse:
        """Repeated while its outcome is unknown: a repeat answers the same version."""
        try:
            return await until_known(lambda: self._saves.commit_save(request))
        except UNKNOWN_OUTCOME:
            raise
        except StrongroomError as error:
            await self._give_up(save, error)
            raise

    async def _give_up(self, save: OpenSave, error: BaseException) -> None:
        """In a task of its own: a caller who goes away must not cut it short. One who gets the error may
        try again
        at once, so the project should be free by then.
        """
        task = asyncio.create_task(self._abandon(save), name=f"abandon save {save.save_id}")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)
        if isinstance(error, Exception):
            await asyncio.wait({task}, timeout=GIVE_UP_SECONDS)

    async def _abandon(self, save: OpenSave) -> None:
        try:
            await self._saves.abandon_save(save.owner_id, save.save_id)
        except StrongroomError as error:  # its lease will run out
            log.warning("abandon_save_failed", save_id=save.save_id, reason=error.reason_name)
        except Exception:
            log.exception("abandon_save_failed", save_id=save.save_id)
        else:
            self._wake_cleaner()


def _same_content(earlier: pb.CommitSaveResponse, content: bytes) -> pb.CommitSaveResponse:
    if earlier.content_sha256 != content:
        raise IdempotencyKeyReused("this idempotency key was used before, for other content; use a new key")
    return earlier
