"""Usage and limits of an owner."""

from __future__ import annotations

from metadata_service import audit
from metadata_service.config import Limits
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.db.revisions import READ, Revisions
from metadata_service.usage import quota
from strongroom.metadata.v1.usage_service_pb2 import Usage


class UsageQueries:
    """Reads usage, sets limits."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def usage(self, owner_id: str) -> Usage:
        """The owner's usage and limits; zeros if the owner has stored nothing yet."""
        return await self._database.transact(user(owner_id), lambda tx: self._usage(tx, owner_id))

    async def revision(self, owner_id: str, revisions: Revisions) -> str:
        """A text that changes whenever a list of the owner's would."""
        rows = await self._database.read(user(owner_id), READ, {"owner": owner_id})
        return revisions.text_of(rows[0])

    async def set_limits(self, owner_id: str, wanted: Limits, *, actor: str, request_id: str = "") -> Usage:
        """Set both limits (None: unlimited, whatever the default), as an act of the admin `actor`.

        Stored files stay, even if they exceed the limit.
        """
        details = {"limit_bytes": wanted.bytes, "limit_files": wanted.files}
        act = audit.Act("set_quota", actor, owner_id, details, request_id=request_id)

        async def work(tx: Transaction) -> Usage:
            await quota.set_limits(tx, owner_id, wanted)
            await audit.write(tx, act)
            return await self._usage(tx, owner_id)

        return await self._database.transact(SYSTEM, work)

    async def _usage(self, tx: Transaction, owner_id: str) -> Usage:
        limits = quota.limits(await tx.fetch(*quota.read_limits(owner_id)), self._limits)
        sums = await quota.totals(tx, owner_id)
        return Usage(
            owner_id=owner_id,
            used_bytes=sums.used_bytes,
            reserved_bytes=sums.reserved_bytes,
            file_count=sums.used_files,
            limit_bytes=limits.bytes,
            limit_files=limits.files,
        )
