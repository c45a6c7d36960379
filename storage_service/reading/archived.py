"""Committed objects that lie in an archive class of the store, where a rule of the bucket has put them.

Who reads one is told so (OBJECT_ARCHIVED, 503, Retry-After), and the store is asked, once, to bring it back.
It is S3 that remembers: a repeat, by another replica or after a restart, changes nothing there. And it is
noted that it is waited for: `restores` looks when it has come.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog

from storage_service.metadata.archive import ArchiveRecords
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from strongroom.errors import StrongroomError

AGAIN_SECONDS: Final = 3600.0
"""The store is asked for one object at most so often."""
RETRY_SECONDS: Final = 10.0
"""And so long after it could not be asked; by the next reader."""
MOST_ASKING: Final = 16
"""At one time; the others wait."""
MOST_WAITING: Final = 1_000
"""Those that an export has met faster than the store is asked. What comes then is asked for by its next
reader.
"""
MOST_ASKED: Final = 10_000
"""Objects of which it is remembered that they were asked for."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RestoreRules:
    """``days``: how long what was brought back can be read. ``tier``: how soon it comes, by S3's names."""

    days: int = 7
    tier: str = "Standard"


class ArchivedObjects:
    """One instance per process. ``records`` None: nobody hears when something has come back."""

    def __init__(
        self, store: ObjectStore, records: ArchiveRecords | None = None, rules: RestoreRules | None = None
    ) -> None:
        self._store = store
        self._records = records
        self._rules = rules or RestoreRules()
        self._quiet_until: dict[ObjectRef, float] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MOST_ASKING)

    def ask_back(self, ref: ObjectRef) -> None:
        """Beside the reader's answer, which never waits for it and never fails by it."""
        if time.monotonic() < self._quiet_until.get(ref, 0.0) or len(self._asking) >= MOST_WAITING:
            return
        self._keep_quiet(ref, AGAIN_SECONDS)
        task = asyncio.create_task(self._ask(ref), name=f"restore of {ref.key}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def was_asked_for(self, ref: ObjectRef) -> bool:
        """A reader has met it archived in this process; it may be back by now."""
        return ref in self._quiet_until

    async def aclose(self) -> None:
        """Wait for what is being asked."""
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ask(self, ref: ObjectRef) -> None:
        try:
            async with self._slots:
                await self._store.request_restore(ref, days=self._rules.days, tier=self._rules.tier)
                log.info("restore_requested", key=ref.key, version=ref.version_id, tier=self._rules.tier)
                if self._records is not None:
                    await self._records.note(ref.key, ref.version_id or "")
        except (StoreError, StrongroomError) as error:
            self._keep_quiet(ref, RETRY_SECONDS)
            log.warning("restore_not_requested", key=ref.key, error=type(error).__name__, advice=str(error))

    def _keep_quiet(self, ref: ObjectRef, seconds: float) -> None:
        self._quiet_until.pop(ref, None)  # so that the oldest are the first
        self._quiet_until[ref] = time.monotonic() + seconds
        if len(self._quiet_until) > MOST_ASKED:
            del self._quiet_until[next(iter(self._quiet_until))]
