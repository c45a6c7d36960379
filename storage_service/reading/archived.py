"""Restores committed objects that a rule of the bucket has moved into an archive class.

A reader gets OBJECT_ARCHIVED (503, Retry-After), and the store is asked once to restore the object. S3
remembers that, so a repeat by another replica or after a restart changes nothing. The restore is also
recorded in metadata_service, for `restores` to find out when it has ended.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from storage_service.metadata.contents import ArchiveRecords
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.throttle import Throttle
from strongroom.errors import StrongroomError

MOST_ASKING: Final = 16
"""Requests to the store at a time; others wait."""
MOST_WAITING: Final = 1_000
"""Waiting requests. Further objects, as an export may find them, are requested when they are read again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RestoreRules:
    """``days``: how long a restored object can be read. ``tier``: S3's name of the speed of restores."""

    days: int = 7
    tier: str = "Standard"


class ArchivedObjects:
    """Requests restores. One instance per process. Without ``records`` owners are not told when a restore has
    ended.
    """

    def __init__(
        self, store: ObjectStore, records: ArchiveRecords | None = None, rules: RestoreRules | None = None
    ) -> None:
        self._store = store
        self._records = records
        self._rules = rules or RestoreRules()
        self._requests = Throttle()
        self._asking: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MOST_ASKING)

    def ask_back(self, ref: ObjectRef) -> None:
        """Request the restore in the background, independently of the reader's answer."""
        if not self._requests.is_due(ref) or len(self._asking) >= MOST_WAITING:
            return
        self._requests.begun(ref)
        task = asyncio.create_task(self._ask(ref), name=f"restore of {ref.key}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def was_asked_for(self, ref: ObjectRef) -> bool:
        """Whether a reader of this process has found the object archived; it may have been restored since."""
        return ref in self._requests

    async def aclose(self) -> None:
        """Wait for requests in progress."""
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ask(self, ref: ObjectRef) -> None:
        try:
            async with self._slots:
                await self._store.request_restore(ref, days=self._rules.days, tier=self._rules.tier)
                log.info("restore_requested", key=ref.key, version=ref.version_id, tier=self._rules.tier)
                if self._records is not None:
                    await self._records.note(ref.key, ref.version_id or "")
        except (StoreError, StrongroomError) as error:
            self._requests.failed(ref)
            log.warning("restore_not_requested", key=ref.key, error=type(error).__name__, advice=str(error))
