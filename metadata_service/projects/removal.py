"""RemoveProject, D1 of a project: makes it invisible, sends all versions' blobs to DELETING, requests
markers.
"""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.transitions import DELETE
from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, Database, Transaction, user
from metadata_service.projects import events, looks
from metadata_service.projects.endings import give_up
from metadata_service.projects.rows import HASH_JOINS, PROJECT_COLUMNS, project_not_found, to_project
from metadata_service.projects.start import check_version
from metadata_service.usage import quota
from servicekit import failpoints
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1.project_pb2 import Project

BEFORE_COMMIT: Final = failpoints.register("metadata.project.remove.before_commit")
AFTER_COMMIT: Final = failpoints.register("metadata.project.remove.after_commit")

_LOCK: Final = f"""
SELECT {PROJECT_COLUMNS}, projects.id FROM projects
WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0 FOR UPDATE
"""
_SAVE: Final = (
    "SELECT id FROM project_saves WHERE owner_id = %(owner)s AND project_id = %(project)s FOR UPDATE"
)
_OF_PROJECT: Final = """files.owner_id = %(owner)s AND files.project_id = %(project)s
    AND blobs.owner_id = files.owner_id AND blobs.id = files.blob_id"""
_BLOBS: Final = f"""
WITH gone AS (
{DELETE.of(_OF_PROJECT, "project_files AS files", asked=True)} RETURNING blobs.size_bytes
)
SELECT coalesce(sum(size_bytes), 0)::bigint, count(*) FROM gone
"""
_REMOVE: Final = "DELETE FROM projects WHERE owner_id = %(owner)s AND id = %(project)s"


class ProjectRemover:
    """Deletes projects."""

    def __init__(self, database: Database, timing: Timing) -> None:
        self._database = database
        self._timing = timing

    async def remove(self, owner_id: str, slug: str, expected_version: int | None = None) -> Project:
        """Delete a project. Returns it as it was. Raises ProjectNotFound (also the second time),
        VersionConflict.
        """
        project = await self._database.transact(
            user(owner_id),
            lambda tx: remove(tx, owner_id, slug, self._timing, expected_version),
            seconds=LARGE_SECONDS,
        )
        await failpoints.hit(AFTER_COMMIT)
        return project


async def remove(
    tx: Transaction, owner_id: str, slug: str, timing: Timing, expected_version: int | None = None
) -> Project:
    """Runs in a transaction of the owner's. Raises ProjectNotFound, VersionConflict."""
    row = await tx.fetch_one(_LOCK, {"owner": owner_id, "slug": slug})
    if row is None:
        raise project_not_found()
    project, project_id = to_project(row[:-1]), row[-1]
    if expected_version is not None:
        check_version(expected_version, project.version)
    params = {
        "owner": owner_id,
        "project": project_id,
        "grace": timing.read_grace,
        "traceparent": origin(),
    }
    save = await tx.fetch_one(_SAVE, params)
    if save is not None:
        await give_up(tx, owner_id, slug, project_id, save[0])
    _, [(size, count)] = await tx.fetch_batch([HASH_JOINS, (_BLOBS, params)])
    await tx.batch(
        [
            *looks.removed(owner_id, slug, project_id, timing.kept_bytes),
            (_REMOVE, params),
            events.project_deleted(project),
            quota.count(owner_id, -size, -count),
        ]
    )
    await failpoints.hit(BEFORE_COMMIT)
    return project
