"""Erasures: begun by an admin, continued by any replica, ended when the last object is gone for good.

    running (a row that names the owner: nobody adds rows for that owner meanwhile)
       └── nothing is left, and no transaction lives that began before the row could be seen
           ──▶ ended (the row forgets whose it was)

The eraser repeats its steps until they find nothing, and then waits for the cleaner, which removes objects
and keeps their tombstones as for everybody.
"""

from __future__ import annotations

import uuid
from typing import Final
from uuid import UUID

import structlog

from metadata_service import audit
from metadata_service.blobs.erasing import WAITING
from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, SYSTEM, Database, Transaction, erasing
from metadata_service.erasing import rows, steps, traces
from metadata_service.erasing.steps import STEPS, Owner, Step
from metadata_service.files.retention import HELD, lock_holds_out
from servicekit import failpoints
from servicekit.background import BackgroundLoop, Heartbeat
from strongroom.errors import DatabaseUnavailable, NotFound, RetentionHeld
from strongroom.metadata.v1.admin_service_pb2 import Erasure, ErasureCounts

BEGIN_BEFORE: Final = failpoints.register("metadata.erase.begin.before_commit")
BEGIN_AFTER: Final = failpoints.register("metadata.erase.begin.after_commit")
STEP_BEFORE: Final = failpoints.register("metadata.erase.step.before_commit")
STEP_AFTER: Final = failpoints.register("metadata.erase.step.after_commit")
FINISH_BEFORE: Final = failpoints.register("metadata.erase.finish.before_commit")
FINISH_AFTER: Final = failpoints.register("metadata.erase.finish.after_commit")

REST_SECONDS: Final = 2.0
ACT: Final = "erase_user"
_AT_ONCE: Final = 20

log = structlog.get_logger(__name__)
_COUNT_HELD: Final = f"""
SELECT (SELECT count(*) FROM files WHERE files.owner_id = %(owner)s AND {HELD}),
    (SELECT count(*) FROM projects
    WHERE owner_id = %(owner)s AND (held_at IS NOT NULL OR keep_until > now())),
    (SELECT count(*) FROM files WHERE owner_id = %(owner)s AND held_at IS NOT NULL)
        + (SELECT count(*) FROM projects WHERE owner_id = %(owner)s AND held_at IS NOT NULL)
"""


class Erasures:
    """Begins and continues erasures; one instance per process, and `loop` runs it.

    :param backups: how long backups are kept, seconds; 0: unknown.
    """

    def __init__(
        self, database: Database, timing: Timing, heartbeat: Heartbeat, *, backups: float = 0.0
    ) -> None:
        self._database = database
        self._timing = timing
        self._held = max(backups, timing.restore_window)
        self._heartbeat = heartbeat
        self.loop = BackgroundLoop(self.run_once, heartbeat, rest_seconds=REST_SECONDS)

    async def begin(
        self, owner_id: str, actor: str, request_id: str = "", *, override_holds: bool = False
    ) -> tuple[Erasure, bool]:
        """The owner's running erasure, or a new one; and whether it is new.

        Raises RetentionHeld, unless `override_holds`.
        """
        made = uuid.uuid4()

        async def work(tx: Transaction) -> bool:
            await lock_holds_out(tx, owner_id)
            begun = bool(await tx.execute(rows.BEGIN, {"id": made, "owner": owner_id}))
            if begun:
                if not override_holds:
                    await _refuse_held(tx, owner_id)
                [(objects, size)] = await tx.fetch(WAITING, {"owner": owner_id})
                counts = ErasureCounts(objects=objects, object_bytes=size).SerializeToString()
                await tx.execute(rows.COUNT, {"id": made, "counts": counts})
                details: dict[str, str | bool] = {"erasure": str(made)}
                if override_holds:
                    details["override_holds"] = True
                await audit.write(
                    tx, audit.Act(ACT, actor, owner_id, details, outcome="begun", request_id=request_id)
                )
            await failpoints.hit(BEGIN_BEFORE)
            return begun

        begun = await self._database.transact(SYSTEM, work)
        await failpoints.hit(BEGIN_AFTER)
        self.loop.wake()
        return await self.get(owner_id=owner_id), begun

    async def get(self, erasure_id: str = "", owner_id: str = "") -> Erasure:
        """An erasure by its id, or the last one of an owner. A running one has counts of what is left. Raises
        NotFound.
        """
        if erasure_id:
            found = await self._database.read(SYSTEM, rows.BY_ID, {"id": UUID(erasure_id)})
        else:
            found = await self._database.read(SYSTEM, rows.LAST_OF, {"owner": owner_id})
        if not found:
            raise NotFound("There is no such erasure: `strongroom admin user erase` begins one.")
        erasure, owner = rows.to_erasure(found[0])
        if owner:
            erasure.rest.CopyFrom(
                await self._database.transact(erasing(owner), lambda tx: steps.what_is_left(tx, owner))
            )
        return erasure

    async def run_once(self) -> bool:
        """Continue every running erasure once. Returns whether to go on at once. Raises
        DatabaseUnavailable.
        """
        running = await self._database.read(SYSTEM, rows.RUNNING, {"limit": _AT_ONCE})
        moved = 0
        for erasure_id, owner_id in running:
            try:
                moved += await self._go_on(erasure_id, owner_id)
            except DatabaseUnavailable:
                raise
            except Exception:
                self._heartbeat.failed()
                log.exception("erasure_step_failed", id=str(erasure_id))
            self._heartbeat.beat()
        return bool(moved)

    async def _go_on(self, erasure_id: UUID, owner_id: str) -> int:
        """Repeat each step until it finds nothing, then end the erasure if nothing is left. Returns the
        number of rows changed.
        """
        await self._database.transact(SYSTEM, lambda tx: tx.execute(rows.SHUT, {"id": erasure_id}))
        moved = 0
        for step in STEPS:
            while now := await self._step(step, erasure_id, owner_id):
                moved += now
                self._heartbeat.beat()
        if not moved:
            await self._finish(erasure_id, owner_id)
        return moved

    async def _step(self, step: Step, erasure_id: UUID, owner_id: str) -> int:
        """Run a step once. Returns 0 also if another replica is working on the erasure."""

        async def work(tx: Transaction) -> int:
            row = await tx.fetch_one(rows.LOCK, {"id": erasure_id})
            if row is None:
                return 0
            erased, moved = await step(tx, Owner(owner_id, self._timing))
            if moved:
                counts = rows.sum_of(ErasureCounts.FromString(row[0]), erased)
                await tx.execute(rows.COUNT, {"id": erasure_id, "counts": counts.SerializeToString()})
                await failpoints.hit(STEP_BEFORE)
            return moved

        moved = await self._database.transact(erasing(owner_id), work, seconds=LARGE_SECONDS)
        if moved:
            await failpoints.hit(STEP_AFTER)
        return moved

    async def _finish(self, erasure_id: UUID, owner_id: str) -> None:
        async def work(tx: Transaction) -> bool:
            row = await tx.fetch_one(rows.LOCK, {"id": erasure_id})
            # In this order: rows added by an older transaction are visible once it has ended.
            if row is None or await tx.fetch_one(rows.OLDER_TRANSACTIONS, {"id": erasure_id}) is not None:
                return False
            if not await steps.nothing_is_left(tx, owner_id) or await traces.in_use(tx, owner_id):
                return False
            found = ErasureCounts(findings=await traces.remove(tx, owner_id))
            counts = rows.sum_of(ErasureCounts.FromString(row[0]), found).SerializeToString()
            params = {"id": erasure_id, "counts": counts, "held": self._held or None}
            await tx.execute(rows.END, params)
            details = {"erasure": str(erasure_id)}
            await audit.write(
                tx, audit.Act(ACT, "", owner_id, details, outcome="finished", names_owner=False)
            )
            await failpoints.hit(FINISH_BEFORE)
            return True

        if await self._database.transact(SYSTEM, work):
            await failpoints.hit(FINISH_AFTER)
            log.info("erasure_ended", id=str(erasure_id))


async def _refuse_held(tx: Transaction, owner_id: str) -> None:
    """Raise RetentionHeld if the owner has any."""
    row = await tx.fetch_one(_COUNT_HELD, {"owner": owner_id})
    if row is None:
        raise AssertionError("a SELECT without FROM answers one row")
    files, projects, holds = row
    if not files and not projects:
        return
    raise RetentionHeld(
        "This user has files or projects under retention or legal hold"
        f" (files: {files}, projects: {projects}; holds: {holds}): nothing was erased. Lift the holds, wait,"
        " or say override_holds"
        " (--override-holds) to erase them as well.",
        metadata={"hold": "true"} if holds else {},
    )
