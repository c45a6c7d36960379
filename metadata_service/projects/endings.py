"""Ends saves without a version: given up by their writer, expired, or overtaken by the project's deletion.

Their blobs go to ABORTING at a new epoch, which shuts out a writer that comes back. The cleaner removes what
was written by version id, after which S3 shows the version before again.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

import structlog

from metadata_service.blobs.transitions import SHUT_OUT
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.projects import looks
from metadata_service.projects.rows import HASH_JOINS, OF_SAVE, STAGED
from servicekit import failpoints
from servicekit.telemetry.tracing import origin
from strongroom.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

BEFORE_ABANDON: Final = failpoints.register("metadata.project.abandon.before_commit")
AFTER_ABANDON: Final = failpoints.register("metadata.project.abandon.after_commit")

_BATCH: Final = 20

_LOCK: Final = """
SELECT projects.id, projects.slug FROM projects JOIN project_saves AS saves
    ON saves.owner_id = projects.owner_id AND saves.project_id = projects.id
WHERE saves.owner_id = %(owner)s AND saves.id = %(save)s
    AND (NOT %(silent)s OR saves.lease_expires_at <= now())
FOR UPDATE
"""
#: Begins at a random position, so that saves that can't be ended now don't block others for long.
_SILENT: Final = """
SELECT owner_id, id FROM project_saves WHERE lease_expires_at <= now()
ORDER BY id < %(begin)s, id LIMIT %(limit)s
"""
_ABORT: Final = SHUT_OUT.of(OF_SAVE, STAGED, asked=True)
_END: Final = "DELETE FROM project_saves WHERE owner_id = %(owner)s AND id = %(save)s"
_FORGET_UNSAVED: Final = (
    "DELETE FROM projects WHERE owner_id = %(owner)s AND id = %(project)s AND version = 0"
)


async def abandon(database: Database, owner_id: str, save_id: UUID) -> None:
    """End a save without a version; does nothing if it has ended already."""

    async def work(tx: Transaction) -> None:
        await _give_up_one(tx, owner_id, save_id, only_silent=False)
        await failpoints.hit(BEFORE_ABANDON)

    await database.transact(user(owner_id), work)
    await failpoints.hit(AFTER_ABANDON)


async def expire(database: Database) -> int:
    """Give up saves whose lease has run out, also those of users being erased. Returns how many.

    A failure leaves its save to the next round; the others go on. Raises DatabaseUnavailable.
    """
    silent = await database.read(SYSTEM, _SILENT, {"begin": uuid4(), "limit": _BATCH})
    ended = 0
    for owner_id, save_id in silent:

        async def work(tx: Transaction, owner_id: str = owner_id, save_id: UUID = save_id) -> bool:
            return await _give_up_one(tx, owner_id, save_id, only_silent=True)

        try:
            ended += await database.transact(SYSTEM, work)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("silent_save_not_ended", save_id=str(save_id))
    return ended


async def give_up(tx: Transaction, owner_id: str, slug: str, project_id: UUID, save_id: UUID) -> None:
    """Runs in a transaction that has locked the project and the save."""
    params = {"owner": owner_id, "save": save_id, "project": project_id, "traceparent": origin()}
    await tx.batch(
        [
            HASH_JOINS,
            (_ABORT, params),
            looks.written(owner_id, slug, save_id),
            (_END, params),
            (_FORGET_UNSAVED, params),
        ]
    )


async def _give_up_one(tx: Transaction, owner_id: str, save_id: UUID, *, only_silent: bool) -> bool:
    row = await tx.fetch_one(_LOCK, {"owner": owner_id, "save": save_id, "silent": only_silent})
    if row is None:
        return False
    project_id, slug = row
    await give_up(tx, owner_id, slug, project_id, save_id)
    return True
