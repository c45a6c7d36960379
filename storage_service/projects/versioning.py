"""Projects need a bucket that keeps versions; this says so before anything is written."""

from __future__ import annotations

import time
from typing import Protocol

from storage_service.objects import VersioningStatus
from storage_service.translate import translated
from strongroom.errors import BucketNotVersioned

TRUSTED_SECONDS = 60.0
"""So long a bucket that had versioning is taken to have it still; one without is asked each time."""


class VersioningReader(Protocol):
    """What this needs of the object store."""

    async def versioning_status(self) -> VersioningStatus:
        """Raises StoreError."""
        ...


class VersioningGate:
    """One instance per process."""

    def __init__(self, store: VersioningReader) -> None:
        self._store = store
        self._trusted_until = 0.0

    async def check(self) -> None:
        """Raises BucketNotVersioned, and what the store raises."""
        if time.monotonic() < self._trusted_until:
            return
        with translated():
            status = await self._store.versioning_status()
        if status is not VersioningStatus.ENABLED:
            raise not_versioned(status)
        self._trusted_until = time.monotonic() + TRUSTED_SECONDS


def not_versioned(status: VersioningStatus = VersioningStatus.OFF) -> BucketNotVersioned:
    """What to do about it."""
    if status is VersioningStatus.UNSUPPORTED:
        return BucketNotVersioned(
            "Projects need S3 Versioning, which this object store does not offer; use a store that does."
        )
    return BucketNotVersioned(
        f"Projects need S3 Versioning, which is {status.value} for this bucket;"
        " turn it on: `strongroom bucket init`."
    )
