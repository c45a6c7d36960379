"""Projects and files at a path share keys between attempts: they need a bucket that keeps versions, and
nothing is written where it does not.

Asked before anything is written (T1), and noticed again when a reply names no version: versioning may have
been suspended meanwhile. Then the attempt is given up; what it wrote under the version "null" is nobody's.
"""

from __future__ import annotations

import time

import structlog

from servicekit.outages import Outage
from storage_service.objectstore.errors import translated
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import VersioningStatus
from strongroom.errors import BucketNotVersioned, StrongroomError
from strongroom.metadata.v1.blob_pb2 import Blob
from strongroom.metadata.v1.target_pb2 import UploadTarget

SHARED_TARGETS = frozenset({"path"})
"""Beside project files, which are no targets of uploads."""
NULL_VERSION = "null"
"""What S3 calls the one version of a key in a bucket that keeps none."""


def told_version(version_id: str) -> str:
    """A version as rows and requests have it: empty where the bucket keeps none."""
    return "" if version_id == NULL_VERSION else version_id


log = structlog.get_logger(__name__)

TRUSTED_SECONDS = 10.0
"""So long a bucket that had versioning is taken to have it still; one without is asked each time."""


class VersioningGate:
    """One instance per process."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._trusted_until = 0.0
        self._told: VersioningStatus | None = None
        # Asked every few seconds: once for as long as the store is away.
        self._outage = Outage("bucket_versioning_unknown", "bucket_versioning_known_again")

    async def check(self) -> None:
        """Raises BucketNotVersioned, and what the store raises."""
        if time.monotonic() < self._trusted_until:
            return
        with translated():
            status = await self._store.versioning_status()
        self._outage.well()
        if status is not self._told:
            self._told = status
            if status is VersioningStatus.ENABLED:
                log.info("bucket_versioning", status=status.value)
            else:
                log.error("bucket_versioning", status=status.value, advice=not_versioned(status).advice)
        if status is not VersioningStatus.ENABLED:
            raise not_versioned(status)
        self._trusted_until = time.monotonic() + TRUSTED_SECONDS

    async def status(self) -> VersioningStatus:
        """For readiness. A store that does not answer is another check's business."""
        try:
            await self.check()
        except BucketNotVersioned:
            return self._told or VersioningStatus.OFF
        except StrongroomError as error:
            self._outage.failed(error.reason_name, reason=error.reason_name, message=error.message)
        return VersioningStatus.ENABLED

    async def check_target(self, target: UploadTarget) -> None:
        """As ``check``, for targets whose attempts share a key."""
        if target.WhichOneof("target") in SHARED_TARGETS:
            await self.check()

    def distrust(self) -> None:
        """A reply named no version: ask again before the next attempt."""
        self._trusted_until = 0.0


def shares_key(blob: Blob) -> bool:
    """Whether other attempts write other versions of the same key."""
    return blob.key.startswith(("paths/", "projects/"))


def demand_version(blob: Blob, version_id: str | None) -> None:
    """``version_id``: of what this attempt has just made. Raises BucketNotVersioned where a shared key got
    none, so that it is never committed: the next attempt would replace its bytes.
    """
    if shares_key(blob) and version_id in {None, "", NULL_VERSION}:
        raise not_versioned()


def not_versioned(status: VersioningStatus = VersioningStatus.OFF) -> BucketNotVersioned:
    """What to do about it."""
    if status is VersioningStatus.UNSUPPORTED:
        advice = "this object store does not offer S3 Versioning; use one that does"
    else:
        advice = f"S3 Versioning is {status.value} for this bucket; turn it on: `strongroom bucket init`"
    return BucketNotVersioned(
        "Projects and files at a path need versions in the object store; only its operator can turn them on.",
        advice=advice,
    )
