"""Removes old versions by a rule.

The last versions stay, also the last of each day for a while, those with a name or a tag, and those opened by
a share (decision 0107). Nothing is removed from a project that is kept, on legal hold, or being saved.
Contents that no version has any more go like those of a deleted project: the cleaner removes their objects
after the read grace and the restore window.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from metadata_service.blobs.transitions import DELETE
from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, SYSTEM, Database, Row, Transaction, user
from metadata_service.db.failing_parts import alone
from metadata_service.projects import looks
from metadata_service.projects.rows import HASH_JOINS, project_not_found
from metadata_service.retention_rules import VersionRule
from metadata_service.shares.rows import HOLDS
from metadata_service.usage import quota
from servicekit.outages import Outage
from strongroom.errors import UserBeingErased
from strongroom.metadata.v1.share_pb2 import ShareScope

PROJECTS: Final = 1000
VERSIONS: Final = 500
QUIET_SECONDS: Final = 3600.0

_FREE: Final = "projects.held_at IS NULL AND (projects.keep_until IS NULL OR projects.keep_until <= now())"
_SOME: Final = f"""
SELECT owner_id, id, slug FROM projects
WHERE (owner_id, id) > (%(after)s, %(after_id)s) AND {_FREE}
    AND coalesce(keep_versions, %(last)s) > 0 AND version > coalesce(keep_versions, %(last)s)
ORDER BY owner_id, id LIMIT {PROJECTS}
"""
_LOCK: Final = f"""
SELECT coalesce(keep_versions, %(last)s), coalesce(keep_daily_days, %(days)s) FROM projects
WHERE owner_id = %(owner)s AND id = %(project)s AND {_FREE}
FOR UPDATE
"""
#: A roll-back may be reading any version. A separate statement: one that waited for a row's lock still sees
#: other tables as they were when it began.
_SAVED: Final = "SELECT 1 FROM project_saves WHERE owner_id = %(owner)s AND project_id = %(project)s LIMIT 1"
_GO: Final = f"""
WITH ranked AS (
    SELECT version, created_at, name, tags, row_number() OVER (ORDER BY version DESC) AS place,
        row_number() OVER (PARTITION BY (created_at AT TIME ZONE 'UTC')::date ORDER BY version DESC) AS of_day
    FROM project_versions WHERE owner_id = %(owner)s AND project_id = %(project)s
), gone AS (
    DELETE FROM project_versions AS versions USING (
        SELECT version FROM ranked WHERE place > greatest(%(last)s, 1) AND name = '' AND tags = '{{}}'
            AND NOT version = ANY(%(shared)s::bigint[])
            AND NOT (of_day = 1 AND created_at > now() - make_interval(days => %(days)s::int))
        ORDER BY version LIMIT {VERSIONS}
    ) AS old
    WHERE versions.owner_id = %(owner)s AND versions.project_id = %(project)s
        AND versions.version = old.version
    RETURNING 1
)
SELECT count(*) FROM gone
"""
#: Shares of the project that are neither revoked nor expired. A scope is protobuf; searching its bytes for
#: the project's id limits the rows that are parsed.
_SHARED: Final = f"""
SELECT scope FROM shares WHERE owner_id = %(owner)s AND {HOLDS}
    AND position(convert_to(%(project)s::text, 'UTF8') IN scope) > 0
"""
#: Contents that are in no version any more. The newest version's have no end.
_SHOWN_BY_NONE: Final = """files.owner_id = %(owner)s AND files.project_id = %(project)s
    AND files.until_version IS NOT NULL AND NOT EXISTS (
        SELECT FROM project_versions AS versions WHERE versions.owner_id = files.owner_id
            AND versions.project_id = files.project_id AND versions.version >= files.from_version
            AND versions.version < files.until_version)"""
_OF_NONE: Final = f"{_SHOWN_BY_NONE} AND blobs.owner_id = files.owner_id AND blobs.id = files.blob_id"
_BLOBS: Final = f"""
WITH gone AS (
{DELETE.of(_OF_NONE, "project_files AS files")} RETURNING blobs.size_bytes
)
SELECT coalesce(sum(size_bytes), 0)::bigint, count(*) FROM gone
"""
_FILES: Final = f"DELETE FROM project_files AS files WHERE {_SHOWN_BY_NONE}"
_SET: Final = """
UPDATE projects SET keep_versions = %(last)s, keep_daily_days = %(days)s
WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0
RETURNING keep_versions, keep_daily_days
"""
_GET: Final = """
SELECT keep_versions, keep_daily_days FROM projects
WHERE owner_id = %(owner)s AND slug = %(slug)s AND version > 0
"""

log = structlog.get_logger(__name__)


class VersionRules:
    """A project's own rule. `default`: the rule from the settings."""

    def __init__(self, database: Database, default: VersionRule) -> None:
        self._database = database
        self._default = default

    async def get(self, owner_id: str, slug: str) -> tuple[VersionRule, bool]:
        """The rule, and whether it is the project's own. Raises ProjectNotFound."""
        return self._rule(await self._database.read(user(owner_id), _GET, {"owner": owner_id, "slug": slug}))

    async def set(self, owner_id: str, slug: str, rule: VersionRule | None) -> tuple[VersionRule, bool]:
        """Set the rule (None: the settings' one), and return it like `get`. Raises ProjectNotFound."""
        params = {
            "owner": owner_id,
            "slug": slug,
            "last": rule.last if rule else None,
            "days": rule.daily_days if rule else None,
        }
        return self._rule(await self._database.transact(user(owner_id), lambda tx: tx.fetch(_SET, params)))

    def _rule(self, rows: list[tuple[int | None, int | None]]) -> tuple[VersionRule, bool]:
        if not rows:
            raise project_not_found()
        last, days = rows[0]
        if last is None or days is None:
            return self._default, False
        return VersionRule(last, days), True


class VersionPruner:
    """One instance per process. Two never prune the same project at once; a failing project does not stop a
    round.
    """

    def __init__(self, database: Database, timing: Timing, rule: VersionRule) -> None:
        self._database = database
        self._timing = timing
        self._rule = rule
        self._failing = Outage("versions_not_pruned", "versions_pruned_again", quiet_seconds=QUIET_SECONDS)

    async def run_once(self, beat: Callable[[], None]) -> int:
        """One round over all projects. Returns the number of removed versions. Raises DatabaseUnavailable."""
        pruned, after, after_id = 0, "", UUID(int=0)
        while True:
            params = {"after": after, "after_id": after_id, "last": self._rule.last}
            found = await self._database.read(SYSTEM, _SOME, params)
            for project in found:
                pruned += await alone(self._failing, partial(self.prune, *project), slow_in=self._database)
                beat()
            if len(found) < PROJECTS:
                return pruned
            after, after_id = found[-1][:2]

    async def prune(self, owner_id: str, project_id: UUID, slug: str) -> int:
        """Remove all versions of one project that are due, in batches."""
        pruned = 0
        while True:
            try:
                now = await self._database.transact(
                    user(owner_id),
                    lambda tx: self._in_transaction(tx, owner_id, project_id, slug),
                    seconds=LARGE_SECONDS,
                )
            except UserBeingErased:
                return pruned
            if now:
                log.info("versions_pruned", project=slug, versions=now)
            pruned += now
            if now < VERSIONS:
                return pruned

    async def _in_transaction(self, tx: Transaction, owner_id: str, project_id: UUID, slug: str) -> int:
        params: dict[str, object] = {
            "owner": owner_id,
            "project": project_id,
            "last": self._rule.last,
            "days": self._rule.daily_days,
            "grace": self._timing.read_grace,
        }
        row = await tx.fetch_one(_LOCK, params)
        if row is None or not row[0] or await tx.fetch_one(_SAVED, params) is not None:
            return 0
        shares = await tx.fetch(_SHARED, params)
        params |= {"last": row[0], "days": row[1], "shared": _shared_versions(shares, project_id)}
        pruned: int = (await tx.fetch(_GO, params))[0][0]
        if not pruned:
            return 0
        _, [(size, count)] = await tx.fetch_batch([HASH_JOINS, (_BLOBS, params)])
        await tx.batch(
            [
                looks.pruned(owner_id, slug, project_id, _SHOWN_BY_NONE, self._timing.kept_bytes),
                (_FILES, params),
                quota.count(owner_id, -size, -count),
            ]
        )
        return pruned


def _shared_versions(shares: list[Row], project_id: UUID) -> list[int]:
    """The versions that the shares open. Creating a share locks the project's row, as pruning does."""
    found = (ShareScope.FromString(scope).project for (scope,) in shares)
    return sorted({shared.version for shared in found if shared.project_id == str(project_id)})
