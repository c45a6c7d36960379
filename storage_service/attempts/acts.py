"""Acts of admins that take many steps, recorded in metadata_service from their beginning to their outcome.

Acts that change objects run one at a time in the whole installation, under a lease: two acts on the same
object would each decide by a state that the other is changing. An act that finds the lease taken is refused
at once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from storage_service.attempts.engine import LeaseKeeper, until_known
from storage_service.metadata.operations import Acts
from strongroom.errors import RepairRefused, StrongroomError
from strongroom.metadata.v1 import operations_service_pb2 as pb

CHANGES_OBJECTS: Final = frozenset(
    {
        *("repair_findings", "restore_quarantined", "purge_quarantined"),
        *("keep_objects", "drop_objects", "relink_objects"),
    }
)
OF_MANY_CALLS: Final = frozenset({"keep_objects", "drop_objects", "relink_objects"})
"""Acts that the client splits into many calls; consecutive calls make one entry in the audit log."""

log = structlog.get_logger(__name__)


class HeldActs:
    """Records acts of admins. One instance per process."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._ending: set[asyncio.Task[None]] = set()

    async def note(self, act: str, **details: str) -> None:
        """Record an act that consists of a single step. See ``Acts.note``."""
        await self._acts.note(act, **details)

    @asynccontextmanager
    async def held(self, act: str, *, about: str = "", **details: str) -> AsyncIterator[Counter[str]]:
        """Record an act that lasts as long as the block, and at its end the outcome and the yielded counts.

        Only one act that changes objects (``CHANGES_OBJECTS``) can be in progress at a time.

        Raises ActInProgress, PermissionDenied, StrongroomError on entry, before anything is done.
        """
        token = str(uuid.uuid4())
        changes = act in CHANGES_OBJECTS
        lease = await self._acts.begin(act, token, details, about=about, changes_objects=changes)
        counts: Counter[str] = Counter()
        end = pb.EndActRequest(token=token, outcome=pb.ACT_OUTCOME_STOPPED)
        try:
            async with LeaseKeeper(lambda: self._acts.renew(token), lease, {"act": act}):
                yield counts
            end.outcome = pb.ACT_OUTCOME_DONE
        except RepairRefused as error:
            end.outcome = pb.ACT_OUTCOME_FAILED if any(counts.values()) else pb.ACT_OUTCOME_REFUSED
            end.reason = error.metadata.get("rule", error.reason_name)
            raise
        except Exception as error:
            end.outcome = pb.ACT_OUTCOME_FAILED
            end.reason = error.reason_name if isinstance(error, StrongroomError) else "INTERNAL"
            raise
        finally:
            end.counts.update(counts)
            end.more_may_come = act in OF_MANY_CALLS and any(counts.values())
            await self._end(end, act)

    async def aclose(self) -> None:
        """Wait until the outcome of every act has been recorded, or could not be."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _end(self, request: pb.EndActRequest, act: str) -> None:
        """Record the outcome in a task of its own, which a cancelled caller doesn't interrupt."""
        task = asyncio.create_task(self._tell(request, act), name=f"end of {act}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    async def _tell(self, request: pb.EndActRequest, act: str) -> None:
        try:
            await until_known(lambda: self._acts.end(request))
        except StrongroomError as error:  # its lease expires, and the act is listed as interrupted
            log.warning("act_end_not_told", act=act, reason=error.reason_name)
