"""An act of an admin that takes many steps, from what it begins until what has come of it is written down.

Those that change objects wait for nobody and run one at a time in the whole installation, under a lease: two
that look at one object would each act upon what the other is changing.
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
from storage_service.metadata.acts import Acts
from strongroom.errors import RepairRefused, StrongroomError
from strongroom.metadata.v1 import operations_service_pb2 as pb

CHANGES_OBJECTS: Final = frozenset(
    {
        *("repair_findings", "restore_quarantined", "purge_quarantined"),
        *("keep_objects", "drop_objects", "relink_objects"),
    }
)
OF_MANY_CALLS: Final = frozenset({"keep_objects", "drop_objects", "relink_objects"})
"""Written down once for all calls that follow each other."""

log = structlog.get_logger(__name__)


class HeldActs:
    """One instance per process."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._ending: set[asyncio.Task[None]] = set()

    async def note(self, act: str, **details: str) -> None:
        """One that is over once it has begun. See ``Acts.note``."""
        await self._acts.note(act, **details)

    @asynccontextmanager
    async def held(self, act: str, *, about: str = "", **details: str) -> AsyncIterator[Counter[str]]:
        """Nobody else's act changes objects inside, if this one does. What is counted is written down.

        Raises ActInProgress, PermissionDenied, StrongroomError before anything is done.
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
        """Wait until all is written down."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _end(self, request: pb.EndActRequest, act: str) -> None:
        """Beside a caller that goes away, too."""
        task = asyncio.create_task(self._tell(request, act), name=f"end of {act}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    async def _tell(self, request: pb.EndActRequest, act: str) -> None:
        try:
            await until_known(lambda: self._acts.end(request))
        except StrongroomError as error:  # its lease runs out, and it is told of as interrupted
            log.warning("act_end_not_told", act=act, reason=error.reason_name)
