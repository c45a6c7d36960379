"""Refuses writes in a bucket that is not the database's, and at shared keys (projects and paths) in a bucket
without versioning.

The bucket is asked before anything is written (T1), and again after a reply that names no version: versioning
may have been suspended meanwhile. Then the attempt is given up, and what it wrote as version "null" belongs
to no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from servicekit.outages import Outage
from storage_service.objectstore.errors import translated
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import VersioningStatus
from strongroom.errors import BucketNotVersioned, ObjectStoreUnavailable, StrongroomError
from strongroom.metadata.v1.blob_pb2 import Blob
from strongroom.metadata.v1.target_pb2 import UploadTarget

SHARED_TARGETS = frozenset({"path"})
"""Families of uploads whose attempts share keys. So do project files, which are not targets of uploads."""
NULL_VERSION = "null"
"""S3's id of the only version of a key in a bucket without versioning."""


def told_version(version_id: str) -> str:
    """Return a version id as it stands in rows and requests: empty instead of "null"."""
    return "" if version_id == NULL_VERSION else version_id


log = structlog.get_logger(__name__)

_ELSEWHERE_RETRY_SECONDS = 30.0
TRUSTED_SECONDS = 10.0
"""How long a bucket is trusted to have versioning still. A bucket without it is asked each time."""


class VersioningGate:
    """Knows whether the bucket has versioning. One instance per process.

    :param elsewhere: says why the bucket is not the database's (``BucketIdentity.elsewhere``), or None.
    """

    def __init__(self, store: ObjectStore, elsewhere: Callable[[], object] = lambda: None) -> None:
        self._store = store
        self._elsewhere = elsewhere
        self._trusted_until = 0.0
        self._told: VersioningStatus | None = None
        # Readiness asks every few seconds; an outage of the store is logged once.
        self._outage = Outage("bucket_versioning_unknown", "bucket_versioning_known_again")

    async def check(self) -> None:
        """Raises BucketNotVersioned, and the store's errors as StrongroomErrors."""
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
        """Return the status for readiness. ENABLED if the store doesn't answer, which another check
        reports.
        """
        try:
            await self.check()
        except BucketNotVersioned:
            return self._told or VersioningStatus.OFF
        except StrongroomError as error:
            self._outage.failed(error.reason_name, reason=error.reason_name, message=error.message)
        return VersioningStatus.ENABLED

    async def check_target(self, target: UploadTarget) -> None:
        """Check that an upload to this target may begin. Raises as ``check``, for targets whose attempts
        share a key; ObjectStoreUnavailable if the bucket is not the database's.
        """
        self._check_own()
        if target.WhichOneof("target") in SHARED_TARGETS:
            await self.check()

    async def check_save(self) -> None:
        """Check that a save of a project may begin. Raises like ``check_target``."""
        self._check_own()
        await self.check()

    def _check_own(self) -> None:
        """Rows of this database would name objects that stay behind when the setting is corrected."""
        if self._elsewhere() is not None:
            raise ObjectStoreUnavailable(
                "This service is connected to another bucket than the one with the installation's files; its"
                " operator finds the reason in its log. Nothing was stored: try again later.",
                retry_after=_ELSEWHERE_RETRY_SECONDS,
            )

    def distrust(self) -> None:
        """Ask the bucket again before the next attempt, because a reply named no version."""
        self._trusted_until = 0.0


def shares_key(blob: Blob) -> bool:
    """Whether other attempts write to the same key, as other versions."""
    return blob.key.startswith(("paths/", "projects/"))


def demand_version(blob: Blob, version_id: str | None) -> None:
    """Check that an object just made at a shared key has a version id; without one the next attempt would
    replace it.

    Raises BucketNotVersioned.
    """
    if shares_key(blob) and version_id in {None, "", NULL_VERSION}:
        raise not_versioned()


def not_versioned(status: VersioningStatus = VersioningStatus.OFF) -> BucketNotVersioned:
    """Return the error, with advice that fits ``status``."""
    if status is VersioningStatus.UNSUPPORTED:
        advice = "this object store does not offer S3 Versioning; use one that does"
    else:
        advice = f"S3 Versioning is {status.value} for this bucket; turn it on: `strongroom bucket init`"
    return BucketNotVersioned(
        "Projects and files at a path need versions in the object store; only its operator can turn them on.",
        advice=advice,
    )
