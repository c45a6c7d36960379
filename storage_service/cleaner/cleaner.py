"""The cleaner: ends what dead attempts, deletions and replacements left behind.

Stateless: the next step follows from the row, and a crash is a step not taken. Any number of replicas may
run; a claim (``FOR UPDATE SKIP LOCKED`` and a raised epoch) gives each blob to one of them.

    expired COMPLETING → roll forward (complete, HEAD, commit), or give up when its data is gone
    ABORTING, DELETING → remove everything from S3, verify → GONE
    DELETING within the restore window → hide it behind a delete marker, and keep it
    GONE, after its grace → verify again (late requests) → purged

In a bucket that is another installation's nothing is claimed: what is not there would be called removed,
and the right bucket would keep it for ever.

A row whose work fails, by whatever exception, is released and comes back after a pause that grows; the others
of its batch go on.

Nor does what is slow hold up the rest: owners take turns, none has all places, and while somebody's rows are
still at work the next claim is for everybody else. So a row is never claimed again by who has it.
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
"""Of which one owner has all but one at most."""
PATIENCE_SECONDS = 1.0
"""So long a claim's work is waited for before the next claim is made beside it."""
FULL_HOUSEKEEPING = 200
"""The smallest batch of metadata_service's housekeeping: where as many rows moved, more are likely."""


class Cleaner:
    """One per process; ``loop`` runs it. ``may_remove``: whether the bucket is the database's."""

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
        """One claim and its work, as far as it ends soon. Returns whether more is likely: it found a full
        batch, or somebody whom it left out is through. Raises what claiming raises.
        """
        if self._may_remove is not None and not await self._may_remove():
            return False
        at_work = set(self._in_hand)
        claim = await self._work.claim_work(BATCH, without=at_work)
        if begun := [self._begin(blobs) for blobs in _by_key(claim.blobs)]:
            await asyncio.wait(begun, timeout=PATIENCE_SECONDS)
        while self.loop.begun and not self._places.free:  # one more claim would only wait with these
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
        """Never raises an Exception: each row's is its own."""
        async with self._places.place(owner):
            removed = len(blobs) > 1 and await self._removed_together(blobs)
            for blob in blobs:
                known: dict[str, Value] = {"strongroom.blob_id": blob.id, "strongroom.blob_state": blob.state}
                with tracing.work("clean", known, links=(blob.traceparent,)):
                    await self._stepped(blob, removed=removed)

    async def _removed_together(self, blobs: Sequence[blob_pb2.Blob]) -> bool:
        """Whether all of one key have gone. If not, each is tried, and told of, by itself."""
        try:
            await remove_attempts(self._store, blobs, self._work.filter_unrecorded_versions)
        except Exception as error:  # noqa: BLE001 - the one whose it is meets it again
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
        commit.doubtful = True  # whoever began this may have a Complete on its way
        await failpoints.hit(BEFORE_ROLL_FORWARD_COMMIT)
        await self._work.commit(commit)
        log.info("cleaner_rolled_forward", blob_id=blob.id)

    async def _release(self, blob: blob_pb2.Blob, cause: Exception) -> None:
        """A claim that can't be given back runs out by itself."""
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
    """Those that are removed together, and each other one by itself."""
    groups: dict[tuple[str, str], list[blob_pb2.Blob]] = {}
    for blob in blobs:
        is_removal = blob.state != blob_pb2.BLOB_STATE_COMPLETING and not blob.hide_only
        together = is_removal and is_removed_with_others(blob)
        groups.setdefault((blob.key, "" if together else blob.id), []).append(blob)
    return list(groups.values())


def _sentence(error: Exception) -> str:
    """What operators are told of it; the log has the rest."""
    if isinstance(error, StrongroomError):
        return f"{error.reason_name}: {error.advice or error.message}"[:500]
    return f"{type(error).__name__}; the log of storage_service says more (cleaner_step_failed)"


def _facts(blob: blob_pb2.Blob) -> dict[str, str]:
    return {"blob_id": blob.id, "state": enum_word(blob_pb2.BlobState.DESCRIPTOR, blob.state)}
