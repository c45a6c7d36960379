"""Project keys whose current object may differ from the newest version.

S3 orders the versions of a key by arrival; the truth is here. A row requests a look at a key: a path that the
newest version no longer has needs a delete marker, a dead attempt has left a version on top, a deleted
project needs its markers. The row is written in the transaction that makes the look necessary, so no process
has to survive for it. It stays until a look finds the key right and the tombstone grace has passed since the
last reason for doubt, because a late request may still be on its way (rule R5).
"""

from __future__ import annotations

from typing import Final

from metadata_service.attempts.cleaning import Expiry
from metadata_service.blobs.states import ABORTING, COMMITTED, COMPLETING, DELETING, PENDING
from metadata_service.config import Timing
from metadata_service.db import rotation
from metadata_service.db.database import SYSTEM, Database, Statement, Transaction, user
from metadata_service.db.rotation import Rotation
from metadata_service.projects.endings import expire
from servicekit import failpoints
from strongroom.errors import DatabaseUnavailable
from strongroom.metadata.v1 import project_save_service_pb2 as pb

BEFORE_CLAIM: Final = failpoints.register("metadata.project.claim_keys.before_commit")
BEFORE_REPORT: Final = failpoints.register("metadata.project.report_keys.before_commit")

DEFAULT_BATCH: Final = 50
LARGEST_BATCH: Final = 500

_CLAIM: Final = f"""
WITH due AS MATERIALIZED ({{due}}), claimed AS (
    UPDATE project_keys AS keys SET epoch = keys.epoch + 1, attempts = keys.attempts + 1,
        not_before = now() + make_interval(secs => %(claim)s)
    FROM due WHERE keys.owner_id = due.owner_id AND keys.key = due.key
    RETURNING keys.owner_id, keys.key, keys.epoch, keys.slug, keys.path
)
SELECT claimed.owner_id, claimed.key, claimed.epoch, files.version_id, files.blob_id::text,
    EXISTS (SELECT FROM blobs
        WHERE blobs.key = claimed.key AND blobs.key_shared AND blobs.state = {COMMITTED}),
    EXISTS (SELECT FROM blobs
        WHERE blobs.key = claimed.key AND blobs.key_shared
            AND blobs.state IN ({PENDING}, {COMPLETING}, {DELETING}, {ABORTING})),
    ARRAY(SELECT blobs.id::text FROM blobs
        WHERE blobs.key = claimed.key AND blobs.key_shared
            AND blobs.state IN ({PENDING}, {COMPLETING}, {ABORTING}))
FROM claimed
LEFT JOIN projects ON projects.owner_id = claimed.owner_id AND projects.slug = claimed.slug
LEFT JOIN project_files AS files ON files.owner_id = projects.owner_id AND files.project_id = projects.id
    AND files.path = claimed.path AND files.until_version IS NULL
"""
OLDEST: Final = _CLAIM.format(
    due="""
    SELECT owner_id, key FROM project_keys
    WHERE not_before <= now() AND (%(slug)s = '' OR (owner_id = %(owner)s AND slug = %(slug)s))
    ORDER BY not_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
)
VISITED: Final = rotation.visit("""
    SELECT owner_id, not_before <= now() AS due FROM project_keys WHERE owner_id > visited.owner_id
    ORDER BY owner_id, not_before LIMIT 1
""")
OF_OWNERS: Final = _CLAIM.format(
    due=rotation.of_each(f"""
        SELECT owner_id, key FROM project_keys WHERE {rotation.TURN} AND not_before <= now()
        ORDER BY owner_id, not_before LIMIT 1 FOR UPDATE SKIP LOCKED
    """)
)
_HELD: Final = "owner_id = %(owner)s AND key = %(key)s AND epoch = %(epoch)s"
_FORGET: Final = f"""
DELETE FROM project_keys WHERE {_HELD} AND touched_at + make_interval(secs => %(grace)s) <= now()
"""
_KEEP: Final = f"""
UPDATE project_keys SET attempts = 0, not_before = touched_at + make_interval(secs => %(grace)s) WHERE {_HELD}
"""
_MENDED: Final = f"""
UPDATE project_keys SET attempts = 0, touched_at = now(),
    not_before = now() + make_interval(secs => %(grace)s)
WHERE {_HELD}
"""
_LATER: Final = f"""
UPDATE project_keys SET not_before = now()
    + make_interval(secs => least(%(retry)s * 2 ^ least(attempts - 1, 20), %(retry_max)s))
WHERE {_HELD}
"""


class ProjectKeys:
    """What the cleaner asks for and reports, over all owners."""

    def __init__(self, database: Database, timing: Timing, expiry: Expiry | None = None) -> None:
        self._database = database
        self._timing = timing
        self._expiry = expiry or Expiry(timing.lease)
        self._rotation = Rotation(OLDEST, VISITED, OF_OWNERS)

    async def claim(self, limit: int, owner_id: str = "", slug: str = "") -> tuple[list[pb.ProjectKey], int]:
        """At most `limit` due keys (0: 50, at most 500), and the number of expired saves that were given up.

        With `slug`: only keys of this project of `owner_id`. Raises DatabaseUnavailable; then no save is
        given up for a while, because its writer could not renew the lease either.
        """
        try:
            return await self._claim_all(min(limit or DEFAULT_BATCH, LARGEST_BATCH), owner_id, slug)
        except DatabaseUnavailable:
            self._expiry.was_away()
            raise

    async def _claim_all(self, wanted: int, owner_id: str, slug: str) -> tuple[list[pb.ProjectKey], int]:
        given_up = await expire(self._database) if not slug and self._expiry.counts else 0
        scope = user(owner_id) if slug else SYSTEM
        rows = await self._database.transact(scope, lambda tx: self._claim(tx, wanted, owner_id, slug))
        return rows, given_up

    async def report(self, reports: list[pb.KeyReport]) -> None:
        """Record the results of looks. A key that was touched meanwhile stays as it is."""

        async def work(tx: Transaction) -> None:
            await tx.batch([statement for report in reports for statement in self._statements(report)])
            await failpoints.hit(BEFORE_REPORT)

        if reports:
            await self._database.transact(SYSTEM, work)

    async def _claim(self, tx: Transaction, limit: int, owner_id: str, slug: str) -> list[pb.ProjectKey]:
        values = {"owner": owner_id, "slug": slug, "claim": self._timing.claim}
        if slug:
            rows = await tx.fetch(OLDEST, {**values, "limit": limit})
        else:
            rows = await self._rotation.claim(tx, limit, values)
        await failpoints.hit(BEFORE_CLAIM)
        return [
            pb.ProjectKey(
                owner_id=owner,
                key=key,
                epoch=epoch,
                wanted_version_id=version_id or "",
                wanted_blob_id=blob_id or "",
                has_versions=has_versions,
                is_busy=is_busy,
                busy_blob_ids=busy,
            )
            for owner, key, epoch, version_id, blob_id, has_versions, is_busy, busy in rows
        ]

    def _statements(self, report: pb.KeyReport) -> list[Statement]:
        timing = self._timing
        params: dict[str, object] = {
            "owner": report.owner_id,
            "key": report.key,
            "epoch": report.epoch,
            "grace": timing.tombstone_grace,
            "retry": timing.retry,
            "retry_max": timing.retry_max,
        }
        match report.outcome:
            case pb.KEY_OUTCOME_RIGHT:
                return [(_FORGET, params), (_KEEP, params)]
            case pb.KEY_OUTCOME_MENDED:
                return [(_MENDED, params)]
            case _:
                return [(_LATER, params)]
