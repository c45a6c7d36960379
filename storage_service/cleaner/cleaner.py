"""The cleaner: cleans up after dead attempts, deletions and replacements.

It is stateless: the row determines the next step, and a crash is a step not taken. Any number of replicas may
run; a claim (``FOR UPDATE SKIP LOCKED`` and a raised epoch) gives each blob to one of them.

    expired COMPLETING → roll forward (complete, HEAD, commit), or give up if its data is gone
    ABORTING, DELETING → remove everything from S3, verify → GONE
    DELETING within the restore window → hide it behind a delete marker, and keep it
    GONE, after its grace → verify again (late requests) → purged

In another installation's bucket the cleaner claims nothing: it would find no objects, record them as removed,
and leave them in the right bucket for ever.

If work on a row raises any exception, the row is released and retried after a growing pause; the rest of the
batch continues.

Slow rows don't delay others: owners take turns, no owner gets all places, and the next claim leaves out the
owners whose rows are still being worked on. So a replica never claims a row that it already holds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog

from servicekit import failpoints
from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.limits.places import CappedPlaces
from servicekit.telemetry import tracing
from servicekit.telemetry.spans import Value
from storage_service.attempts.completion import complete_multipart
from storage_service.attempts.removal import (
    abort_unrecorded_uploads,
    hide_blob,
    is_removed_with_others,
    remove_attempts,
    remove_blob,
)
from storage_service.failing_items import FailingItems
from storage_service.metadata.reservations import Reservations, handle_of
from storage_service.objectstore.errors import StoreError, translated
from storage_service.objectstore.interface import ObjectStore
from strongroom.enum_words import enum_word
from strongroom.errors import BucketNotVersioned, ChecksumMismatch, StrongroomError, UploadLost
from strongroom.metadata.v1 import blob_pb2

log = structlog.get_logger(__name__)

BEFORE_ROLL_FORWARD_COMMIT = failpoints.register("storage.cleaner.before_t4")
BEFORE_GONE = failpoints.register("storage.cleaner.before_gone")
AFTER_HIDE = failpoints.register("storage.restore.after_hide")
BEFORE_PURGE = failpoints.register("storage.cleaner.before_purge")

BATCH = 50
PARALLEL = 4
"""Groups of rows cleaned in parallel. One owner gets at most one fewer."""
PATIENCE_SECONDS = 1.0
"""How long to wait for a claim's work before making the next claim beside it."""
FULL_HOUSEKEEPING = 200
"""The smallest batch size of metadata_service's housekeeping. If a pass moved this many rows, more are
likely.
"""


class Cleaner:
    """Claims due blobs and takes their next step. One instance per process; ``loop`` runs it.

    :param may_remove: whether the bucket belongs to this database.
    """

    def __init__(
        self,
        store: ObjectStore,
        work: Reservations,
        heartbeat: Heartbeat,
        *,
        interval_seconds: float,
        may_remove: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._store = store
        self._may_remove = may_remove
        self._work = work
        self._heartbeat = heartbeat
        self._items = FailingItems("cleaner_step_failed", "cleaner_steps_again")
        self._releases = FailingItems("cleaner_release_failed", "cleaner_releases_again")
        self._places = CappedPlaces(PARALLEL, per_owner=PARALLEL - 1)
        self._in_hand: Counter[str] = Counter()
        self.loop = BackgroundLoop(self.run_once, heartbeat, rest_seconds=interval_seconds)

    async def run_once(self) -> bool:
        """Make one claim and wait up to PATIENCE_SECONDS for its work.

        Returns whether more work is likely: the batch was full, or an owner that the claim left out has
        finished. Raises what claiming raises.
        """
        if self._may_remove is not None and not await self._may_remove():
            return False
        at_work = set(self._in_hand)
        claim = await self._work.claim_work(BATCH, without=at_work)
        if begun := [self._begin(blobs) for blobs in _by_key(claim.blobs)]:
            await asyncio.wait(begun, timeout=PATIENCE_SECONDS)
        while self.loop.begun and not self._places.free:  # with no free place, another claim would only wait
            await asyncio.wait(self.loop.begun, return_when=asyncio.FIRST_COMPLETED)
        is_full = len(claim.blobs) == BATCH or claim.housekeeping >= FULL_HOUSEKEEPING
        return is_full or not at_work <= self._in_hand.keys()

    def _begin(self, blobs: Sequence[blob_pb2.Blob]) -> asyncio.Task[None]:
        owner = blobs[0].owner_id
        self._in_hand[owner] += 1
        task = self.loop.begin(self._clean(owner, blobs))
        task.add_done_callback(lambda _: self._ended(owner))
        return task

    def _ended(self, owner: str) -> None:
        self._in_hand[owner] -= 1
        if not self._in_hand[owner]:
            del self._in_hand[owner]
            self.loop.end_rest()

    async def _clean(self, owner: str, blobs: Sequence[blob_pb2.Blob]) -> None:
        """Take the next step of each blob. Never raises an Exception: each row's failure is handled on its
        own.
        """
        async with self._places.place(owner):
            removed = len(blobs) > 1 and await self._removed_together(blobs)
            for blob in blobs:
                known: dict[str, Value] = {"strongroom.blob_id": blob.id, "strongroom.blob_state": blob.state}
                with tracing.work("clean", known, links=(blob.traceparent,)):
                    await self._stepped(blob, removed=removed)

    async def _removed_together(self, blobs: Sequence[blob_pb2.Blob]) -> bool:
        """Try to remove all attempts of one key together. Returns whether that worked.

        If not, the caller removes each one separately, so that a failure is logged with its own row.
        """
        try:
            await remove_attempts(self._store, blobs, self._work.filter_unrecorded_versions)
        except Exception as error:  # noqa: BLE001 - removing the rows one by one meets the error again
            log.debug("cleaner_goes_one_by_one", error=type(error).__name__, blobs=len(blobs))
            return False
        return True

    async def _stepped(self, blob: blob_pb2.Blob, *, removed: bool) -> None:
        try:
            await self._next_step(blob, removed=removed)
            self._items.well()
        except (StrongroomError, StoreError) as error:
            self._items.failed(error, **_facts(blob))
            await self._release(blob, error)
        except Exception as error:
            log.exception("cleaner_step_failed", **_facts(blob))
            await self._release(blob, error)
        self._heartbeat.beat()

    async def _next_step(self, blob: blob_pb2.Blob, *, removed: bool) -> None:
        if blob.state == blob_pb2.BLOB_STATE_COMPLETING:
            await self._roll_forward(blob)
            return
        if blob.hide_only:
            await hide_blob(self._store, blob)
            await failpoints.hit(AFTER_HIDE)
            await self._work.release_work(handle_of(blob), hidden=True)
            return
        if not removed:
            await remove_blob(self._store, blob, self._work.filter_unrecorded_versions)
        await failpoints.hit(BEFORE_PURGE if blob.state == blob_pb2.BLOB_STATE_GONE else BEFORE_GONE)
        await self._work.finish_removal(handle_of(blob), blob.state)

    async def _roll_forward(self, blob: blob_pb2.Blob) -> None:
        try:
            with translated():
                commit = await complete_multipart(self._store, blob, blob.parts, blob.size_bytes, blob.crc32c)
                await abort_unrecorded_uploads(self._store, blob)
        except (UploadLost, ChecksumMismatch, BucketNotVersioned) as error:
            log.warning("cleaner_gave_up_completion", blob_id=blob.id, reason=error.reason_name)
            await self._work.abandon(handle_of(blob))
            self.loop.wake()
            return
        commit.doubtful = True  # an earlier CompleteMultipartUpload may still be in flight
        await failpoints.hit(BEFORE_ROLL_FORWARD_COMMIT)
        await self._work.commit(commit)
        log.info("cleaner_rolled_forward", blob_id=blob.id)

    async def _release(self, blob: blob_pb2.Blob, cause: Exception) -> None:
        """Give back the claim. If that fails, it runs out by itself."""
        self._heartbeat.failed()
        try:
            await self._work.release_work(handle_of(blob), failure=_sentence(cause))
        except StrongroomError as error:
            self._releases.failed(error, blob_id=blob.id)
        except Exception:
            log.exception("cleaner_release_failed", blob_id=blob.id)
        else:
            self._releases.well()


def _by_key(blobs: Sequence[blob_pb2.Blob]) -> list[list[blob_pb2.Blob]]:
    """Group blobs that are removed together by key; each other blob is a group of its own."""
    groups: dict[tuple[str, str], list[blob_pb2.Blob]] = {}
    for blob in blobs:
        is_removal = blob.state != blob_pb2.BLOB_STATE_COMPLETING and not blob.hide_only
        together = is_removal and is_removed_with_others(blob)
        groups.setdefault((blob.key, "" if together else blob.id), []).append(blob)
    return list(groups.values())


def _sentence(error: Exception) -> str:
    """The failure as operators read it; the log has the details."""
    if isinstance(error, StrongroomError):
        return f"{error.reason_name}: {error.advice or error.message}"[:500]
    return f"{type(error).__name__}; the log of storage_service says more (cleaner_step_failed)"


def _facts(blob: blob_pb2.Blob) -> dict[str, str]:
    return {"blob_id": blob.id, "state": enum_word(blob_pb2.BlobState.DESCRIPTOR, blob.state)}
