"""Keeps the bucket's current objects equal to the newest versions: removes and makes delete markers, and
hides objects that dead saves left on top.

metadata_service names the keys and the object that must be current at each. This module reads the key's
versions, and creates and removes only delete markers. Object versions belong to blobs: the cleaner removes
them by version id, after which S3 shows the version before. The one exception is a second version of a
committed blob, left by a repeated PutObject, which is removed here.

Only one request in the system changes a version that it does not name: DeleteObject without version id. So it
is sent only shortly after its claim (``CLAIM_SECONDS``); S3 refuses requests signed more than 15 minutes ago,
and a key stays on the list for the tombstone grace after every change (rule R5).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from servicekit import failpoints
from storage_service.attempts.removal import attempt_at, versions_at
from storage_service.failing_items import FailingItems
from storage_service.metadata.projects import ProjectSaves
from storage_service.objectstore.errors import ObjectNotFound, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectRef
from storage_service.parallel import in_parallel
from strongroom.errors import StrongroomError
from strongroom.metadata.v1 import project_save_service_pb2 as pb

log = structlog.get_logger(__name__)

AFTER_CLAIM = failpoints.register("storage.project.settle.after_claim")
BEFORE_MARKER = failpoints.register("storage.project.settle.before_marker")
AFTER_MARKER = failpoints.register("storage.project.settle.after_marker")
BEFORE_REPORT = failpoints.register("storage.project.settle.before_report")

BATCH = 100
PARALLEL = 8
CLAIM_SECONDS = 5.0
"""A marker is made only within this time after the claim; later the key is claimed again."""
INLINE_SECONDS = 10.0
"""How long a save waits for its keys to be settled; the loop does the rest."""

RIGHT, MENDED, LATER = pb.KEY_OUTCOME_RIGHT, pb.KEY_OUTCOME_MENDED, pb.KEY_OUTCOME_LATER


class KeySettler:
    """One instance per process. A loop runs it, and so does the last step of a save."""

    def __init__(self, store: ObjectStore, work: ProjectSaves) -> None:
        self._store = store
        self._work = work
        self._items = FailingItems("settling_key_failed", "settling_keys_again")
        self._saves = FailingItems("settling_failed", "settlings_again")

    async def run_once(self) -> bool:
        """Make one claim and settle its keys. Returns whether more is likely. Raises StrongroomError."""
        return await self._run("", "")

    async def settle_project(self, owner_id: str, slug: str) -> None:
        """Settle the keys of a save just committed. Never raises StrongroomError."""
        try:
            async with asyncio.timeout(INLINE_SECONDS):
                while await self._run(owner_id, slug):
                    pass
        except TimeoutError:
            log.info("settling_goes_on_in_the_background", slug=slug)
        except StrongroomError as error:
            self._saves.failed(error, slug=slug)
        else:
            self._saves.well()

    async def _run(self, owner_id: str, slug: str) -> bool:
        claimed_at = time.monotonic()
        keys = await self._work.claim_keys(BATCH, owner_id, slug)
        if not keys:
            return False
        await failpoints.hit(AFTER_CLAIM)

        async def one(key: pb.ProjectKey) -> pb.KeyReport:
            outcome = await self._settle_safely(key, claimed_at)
            return pb.KeyReport(owner_id=key.owner_id, key=key.key, epoch=key.epoch, outcome=outcome)

        reports = await in_parallel(keys, one, at_once=PARALLEL)
        await failpoints.hit(BEFORE_REPORT)
        await self._work.report_keys(reports)
        return len(keys) == BATCH

    async def _settle_safely(self, key: pb.ProjectKey, claimed_at: float) -> pb.KeyOutcome.ValueType:
        try:
            outcome = await self._settle(key, claimed_at)
        except StoreError as error:
            self._items.failed(error)
        except Exception:
            log.exception("settling_key_failed")
        else:
            self._items.well()
            return outcome
        return LATER

    async def _settle(self, key: pb.ProjectKey, claimed_at: float) -> pb.KeyOutcome.ValueType:
        versions = await versions_at(self._store, key.key)
        latest = next((version for version in versions if version.is_latest), None)
        if key.wanted_version_id:
            return await self._make_current(key, versions, latest)
        if not key.has_versions:
            return await self._remove_markers(key, versions)
        if latest is None or latest.is_delete_marker:
            return await self._drop([v for v in versions if v.is_delete_marker and v is not latest])
        if key.busy_blob_ids and await self._attempt(latest) in key.busy_blob_ids:
            return LATER  # a save is in progress, or a dead one's objects are being removed
        if time.monotonic() - claimed_at > CLAIM_SECONDS:
            return LATER
        await failpoints.hit(BEFORE_MARKER)
        await self._store.delete(ObjectRef(key.key))
        await failpoints.hit(AFTER_MARKER)
        return MENDED

    async def _make_current(
        self, key: pb.ProjectKey, versions: Sequence[ListedVersion], latest: ListedVersion | None
    ) -> pb.KeyOutcome.ValueType:
        """Put the wanted version on top, and remove all delete markers."""
        markers = [version for version in versions if version.is_delete_marker]
        if latest is not None and latest.version_id == key.wanted_version_id:
            return await self._drop(markers)
        if latest is not None and latest.is_delete_marker:
            await self._drop(markers)
            return await self._look_again(key)
        attempt = await self._attempt(latest) if latest is not None else None
        if latest is not None and attempt == key.wanted_blob_id:
            await self._drop([latest])  # a second version by the same attempt
            return await self._look_again(key)
        if attempt not in key.busy_blob_ids:
            log.error("project_key_shows_another_version", wanted=key.wanted_blob_id, found=attempt)
        return LATER

    async def _look_again(self, key: pb.ProjectKey) -> pb.KeyOutcome.ValueType:
        versions = await versions_at(self._store, key.key)
        current = [version for version in versions if version.is_latest]
        return MENDED if current and current[0].version_id == key.wanted_version_id else LATER

    async def _remove_markers(
        self, key: pb.ProjectKey, versions: Sequence[ListedVersion]
    ) -> pb.KeyOutcome.ValueType:
        """No version of the project needs the key: remove its markers once its objects are gone."""
        if key.is_busy or any(not version.is_delete_marker for version in versions):
            return LATER
        return await self._drop(versions)

    async def _drop(self, versions: Sequence[ListedVersion]) -> pb.KeyOutcome.ValueType:
        for version in versions:
            await self._store.delete(version.ref)
        return MENDED if versions else RIGHT

    async def _attempt(self, version: ListedVersion) -> str | None:
        """The attempt that wrote the version; None: it has none, or is not there."""
        try:
            return await attempt_at(self._store, version.ref)
        except ObjectNotFound:
            return None
