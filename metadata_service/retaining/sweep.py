"""Moves files to the trash whose own time is over, or that are too old by their family's rule.

Kept or held ones wait. The rules are read anew in each round, so that a change of the settings applies to
stored files. An index by age over all owners would slow down every upload: the sweep goes from owner to owner
instead, using the index of lists by family, one look-up for each.
"""

from __future__ import annotations

from typing import Final

import structlog

from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, SYSTEM, Database, Transaction, user
from metadata_service.db.failing_parts import alone
from metadata_service.files import events
from metadata_service.files.deletion import hide_many
from metadata_service.files.retention import HELD
from metadata_service.files.rows import VISIBLE
from metadata_service.projects.pruning import VersionPruner
from metadata_service.retention_rules import FAMILIES, RetentionRules
from metadata_service.usage import quota, tallies
from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.outages import Outage
from strongroom.errors import UserBeingErased

BATCH: Final = 500
OWNERS: Final = 1000

_OPEN: Final = f"{VISIBLE} AND NOT {HELD}"
_DATED: Final = f"files.delete_after <= now() AND {_OPEN}"
_AGED: Final = f"""files.family = %(family)s AND files.created_at <= now() - make_interval(secs => %(age)s)
AND files.delete_after IS NULL AND {_OPEN}"""
#: `passed`: owners already handled in this round. Some could not be handled, because they are being erased or
#: their rows are locked; others have new due files all the time.
_OWNERS_DATED: Final = f"""
SELECT DISTINCT owner_id FROM (
    SELECT files.owner_id FROM files WHERE {_DATED} AND NOT files.owner_id = ANY(%(passed)s)
    ORDER BY files.delete_after LIMIT %(limit)s) AS due
"""
_NEXT: Final = """
(SELECT files.owner_id FROM files WHERE files.owner_id > {after} ORDER BY files.owner_id LIMIT 1)
"""
_SOME_OWNERS: Final = f"""
WITH RECURSIVE owners AS (
    SELECT {_NEXT.format(after="%(after)s")} AS owner_id, 1 AS number
    UNION ALL
    SELECT {_NEXT.format(after="owners.owner_id")}, number + 1 FROM owners
    WHERE owners.owner_id IS NOT NULL AND number < %(limit)s
)
SELECT owners.owner_id, EXISTS (
    SELECT FROM files WHERE files.owner_id = owners.owner_id AND {_AGED})
FROM owners WHERE owners.owner_id IS NOT NULL ORDER BY number
"""
_LOCK: Final = f"""
SELECT files.id, files.size_bytes FROM files WHERE files.owner_id = %(owner)s AND {{due}}
LIMIT {BATCH} FOR UPDATE SKIP LOCKED
"""
_LOCK_DATED: Final = _LOCK.format(due=_DATED)
_LOCK_AGED: Final = _LOCK.format(due=_AGED)

log = structlog.get_logger(__name__)


class RetentionSweep:
    """One instance per process; `loop` runs it. Two never take the same row; a failing owner does not stop a
    round.
    """

    def __init__(
        self,
        database: Database,
        timing: Timing,
        rules: RetentionRules,
        heartbeat: Heartbeat,
        *,
        rest_seconds: float,
        pruner: VersionPruner,
    ) -> None:
        self._pruner = pruner
        self._database = database
        self._timing = timing
        self._rules = rules
        self._heartbeat = heartbeat
        self._failing = Outage("retention_fails", "retention_works_again", quiet_seconds=rest_seconds)
        self.loop = BackgroundLoop(self.run_once, heartbeat, rest_seconds=rest_seconds)

    async def run_once(self) -> bool:
        """One round over all owners. Raises DatabaseUnavailable."""
        moved, passed = 0, list[str]()
        while owners := await self._database.read(SYSTEM, _OWNERS_DATED, {"limit": OWNERS, "passed": passed}):
            for (owner_id,) in owners:
                moved += await self._alone(owner_id, _LOCK_DATED, {})
                passed.append(owner_id)
        for family, age in self._rules.delete_after.items():
            moved += await self._end_aged({"family": FAMILIES[family], "age": age})
        if moved:
            log.info("retention_swept", files=moved)
        await self._pruner.run_once(self._heartbeat.beat)
        return False

    async def _end_aged(self, params: dict[str, object]) -> int:
        moved, after = 0, ""
        while True:
            owners = await self._database.read(
                SYSTEM, _SOME_OWNERS, {**params, "after": after, "limit": OWNERS}
            )
            self._heartbeat.beat()
            for owner_id, due in owners:
                if due:
                    moved += await self._alone(owner_id, _LOCK_AGED, params)
            if len(owners) < OWNERS:
                return moved
            after = owners[-1][0]

    async def _alone(self, owner_id: str, lock: str, params: dict[str, object]) -> int:
        return await alone(self._failing, lambda: self._end(owner_id, lock, params), slow_in=self._database)

    async def _end(self, owner_id: str, lock: str, params: dict[str, object]) -> int:
        """Delete everything due of one owner in batches. Returns the number of files."""
        moved = 0
        while True:

            async def work(tx: Transaction) -> int:
                rows = await tx.fetch(lock, {"owner": owner_id, **params})
                if rows:
                    ids, size = [row[0] for row in rows], sum(row[1] for row in rows)
                    told = [events.files_deleted(owner_id, ids), tallies.many_became_invisible(owner_id, ids)]
                    hidden = hide_many(owner_id, ids, self._timing.soft_delete)
                    await tx.batch([*told, hidden, quota.count(owner_id, -size, -len(ids))])
                return len(rows)

            try:
                now = await self._database.transact(user(owner_id), work, seconds=LARGE_SECONDS)
            except UserBeingErased:
                return moved
            self._heartbeat.beat()
            moved += now
            if now < BATCH:
                return moved
