"""Usage and limits: of one owner, and of all owners for admins, sorted, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from metadata_service import audit
from metadata_service.blobs.states import OPEN
from metadata_service.config import Limits
from metadata_service.db.database import SYSTEM, Database, Row, Transaction, user
from metadata_service.db.paging import PageTokens, page_size
from metadata_service.db.revisions import READ, Revisions
from metadata_service.usage import quota
from strongroom.families import family_name
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1.usage_service_pb2 import Usage

PAGE: Final = (100, 1000)
PROJECT: Final = "project"
#: The column that sorts a page, largest first and then by owner; 0 if sorted by owner only.
_RANKS: Final = {
    pb.USAGE_ORDER_BYTES: "used_bytes",
    pb.USAGE_ORDER_FILES: "file_count",
    pb.USAGE_ORDER_OWNER: "0::bigint",
}
_PAGE: Final = f"""
WITH sums AS (
    SELECT owner_id, sum(used_bytes)::bigint AS used_bytes, sum(file_count)::bigint AS file_count
    FROM (
        SELECT owner_id, used_bytes, file_count FROM usage
        UNION ALL SELECT owner_id, 0, 0 FROM quotas
    ) AS known
    WHERE %(owner)s::text = '' OR owner_id = %(owner)s
    GROUP BY owner_id
), page AS (
    SELECT owner_id, used_bytes, file_count, {{rank}} AS rank FROM sums
    WHERE NOT %(further)s OR {{rank}} < %(rank)s::bigint
        OR {{rank}} = %(rank)s::bigint AND owner_id > %(after)s
    ORDER BY rank DESC, owner_id LIMIT %(limit)s
)
SELECT page.owner_id, used_bytes, file_count, rank, limits.owner_id IS NOT NULL, limits.limit_bytes,
    limits.limit_files, (
        SELECT coalesce(sum(reserved_bytes), 0)::bigint FROM blobs
        WHERE blobs.owner_id = page.owner_id AND state IN {OPEN}
    )
FROM page LEFT JOIN quotas AS limits ON limits.owner_id = page.owner_id
ORDER BY rank DESC, page.owner_id
"""
_FAMILIES: Final = """
SELECT owner_id, family, count(*), sum(size_bytes)::bigint FROM files
WHERE owner_id = ANY(%(owners)s::text[]) AND deleted_at IS NULL GROUP BY owner_id, family
UNION ALL
SELECT owner_id, 0, count(*), sum(size_bytes)::bigint FROM project_files
WHERE owner_id = ANY(%(owners)s::text[]) GROUP BY owner_id
ORDER BY 1, 2
"""


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


class OwnersUsage:
    """Reads over all owners; one instance per process. `default`: limits of owners without their own."""

    def __init__(self, database: Database, tokens: PageTokens, default: Limits) -> None:
        self._database = database
        self._tokens = tokens
        self._default = default

    async def page(self, request: pb.ListUsageRequest) -> pb.ListUsageResponse:
        """Owners who have or had something, or have limits of their own. Raises InvalidPageToken."""
        order = request.order or pb.USAGE_ORDER_BYTES
        query = ["ListUsage", request.user_id, int(order)]
        token = request.page_token
        rank, after = self._tokens.open(query, token, parts=2) if token else ("0", "")
        limit = page_size(request.page_size, default=PAGE[0], largest=PAGE[1])
        params = {
            "owner": request.user_id,
            "further": bool(token),
            "rank": int(rank),
            "after": after,
            "limit": limit + 1,
        }
        rows = await self._database.read(SYSTEM, _PAGE.format(rank=_RANKS[order]), params)
        response = pb.ListUsageResponse(owners=[self._owner(row) for row in rows[:limit]])
        if len(rows) > limit:
            last = rows[limit - 1]
            response.next_page_token = self._tokens.seal(query, [str(last[3]), last[0]])
        if request.by_family:
            await self._add_families(response.owners)
        return response

    def _owner(self, row: Row) -> pb.OwnerUsage:
        owner_id, used, files, _, has_limits, limit_bytes, limit_files, reserved = row
        limits = Limits(limit_bytes, limit_files) if has_limits else self._default
        return pb.OwnerUsage(
            usage=Usage(
                owner_id=owner_id,
                used_bytes=used,
                reserved_bytes=reserved,
                file_count=files,
                limit_bytes=limits.bytes,
                limit_files=limits.files,
            )
        )

    async def _add_families(self, owners: Sequence[pb.OwnerUsage]) -> None:
        names = [owner.usage.owner_id for owner in owners]
        found: defaultdict[str, list[pb.FamilyUsage]] = defaultdict(list)
        for owner_id, family, count, size in await self._database.read(SYSTEM, _FAMILIES, {"owners": names}):
            found[owner_id].append(pb.FamilyUsage(family=_name(family), file_count=count, size_bytes=size))
        for owner in owners:
            owner.families.extend(found[owner.usage.owner_id])


def _name(family: int) -> str:
    if not family:
        return PROJECT
    return family_name(family)
