"""Shares as their owners see and change them, until ended ones are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.db.paging import BEFORE, PageTokens, page_size
from metadata_service.shares.making import in_the_past, lock_version
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.rows import COLUMNS, STATE, not_found, to_share
from strongroom.metadata.v1.share_pb2 import SHARE_STATE_ACTIVE, Share

LARGEST_PAGE: Final = 100

_ONE: Final = f"SELECT {COLUMNS} FROM shares WHERE owner_id = %(owner)s AND id = %(id)s"
PAGE: Final = f"""
SELECT {COLUMNS}, shares.created_at FROM shares WHERE owner_id = %(owner)s
    AND {BEFORE.format(moment="created_at", id="id")}
    AND (NOT %(active_only)s OR {STATE} = {SHARE_STATE_ACTIVE})
ORDER BY shares.created_at DESC, shares.id DESC LIMIT %(limit)s
"""
_UPDATE: Final = f"""
UPDATE shares SET title = coalesce(%(title)s, title),
    password_hash = CASE WHEN %(new_password)s THEN %(password_hash)s ELSE password_hash END,
    session_epoch = session_epoch + CASE WHEN %(new_password)s THEN 1 ELSE 0 END,
    expires_at = CASE WHEN %(new_end)s THEN %(expires_at)s ELSE expires_at END,
    max_uses = coalesce(%(max_uses)s, max_uses), updated_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s AND revoked_at IS NULL
    AND (%(expires_at)s::timestamptz IS NULL OR %(expires_at)s > now())
RETURNING {COLUMNS}
"""
_REVOKE: Final = f"""
UPDATE shares SET revoked_at = coalesce(revoked_at, now()) WHERE owner_id = %(owner)s AND id = %(id)s
RETURNING {COLUMNS}
"""
KEEP_SECONDS: Final = 30 * 86_400
_BATCH: Final = 200
_FORGET: Final = """
DELETE FROM shares USING (
    SELECT owner_id, id FROM shares
    WHERE least(revoked_at, expires_at) <= now() - make_interval(secs => %(keep)s) LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS old
WHERE shares.owner_id = old.owner_id AND shares.id = old.id
"""


@dataclass(frozen=True, slots=True)
class ShareEdit:
    """Changes; None: unchanged. `password` empty: remove it. `new_end`: set the end to `expires_at`, None for
    no end.
    """

    owner_id: str
    share_id: UUID
    title: str | None = None
    password: str | None = None
    new_end: bool = False
    expires_at: datetime | None = None
    max_uses: int | None = None


class OwnersShares:
    """Reads, edits and revokes."""

    def __init__(self, database: Database, tokens: PageTokens, passwords: Passwords) -> None:
        self._database = database
        self._tokens = tokens
        self._passwords = passwords

    async def get(self, owner_id: str, share_id: UUID) -> Share:
        """One share. Raises ShareNotFound."""
        rows = await self._database.read(user(owner_id), _ONE, {"owner": owner_id, "id": share_id})
        if not rows:
            raise not_found()
        return to_share(rows[0])

    async def page(
        self, owner_id: str, size: int, token: str, *, active_only: bool
    ) -> tuple[list[Share], str]:
        """One page, newest first, and the next one's token (`""`: none). Raises InvalidPageToken."""
        query = ["ListShares", owner_id, active_only]
        before, before_id = self._tokens.open_moment(query, token) if token else (None, None)
        limit = page_size(size, default=LARGEST_PAGE, largest=LARGEST_PAGE)
        values = {
            "owner": owner_id,
            "before": before,
            "before_id": before_id,
            "active_only": active_only,
            "limit": limit + 1,
        }
        rows = await self._database.read_list(user(owner_id), PAGE, values)
        page = rows[:limit]
        following = ""
        if len(rows) > limit:
            following = self._tokens.seal_moment(query, page[-1][-1], page[-1][0])
        return [to_share(row[:-1]) for row in page], following

    async def update(self, edit: ShareEdit) -> Share:
        """Change a share, and return it.

        Raises ShareNotFound (also if it was revoked), InvalidField, RateLimited, Overloaded;
        VersionNotFound, if a new end is requested and the version has been removed.
        """
        password = edit.password
        values: dict[str, object] = {
            "owner": edit.owner_id,
            "id": edit.share_id,
            "title": edit.title.strip() if edit.title is not None else None,
            "new_password": password is not None,
            "password_hash": await self._passwords.hashed(edit.owner_id, password) if password else None,
            "new_end": edit.new_end,
            "expires_at": edit.expires_at,
            "max_uses": edit.max_uses,
        }

        async def work(tx: Transaction) -> Share:
            row = await tx.fetch_one(_UPDATE, values)
            if row is not None:
                share = to_share(row)
                if edit.new_end:
                    await lock_version(tx, edit.owner_id, share.scope)
                return share
            known = await tx.fetch_one(f"{_ONE} AND revoked_at IS NULL", values)
            raise in_the_past() if known is not None else not_found()

        return await self._database.transact(user(edit.owner_id), work)

    async def revoke(self, owner_id: str, share_id: UUID) -> Share:
        """Revoke a share for good; a repeat changes nothing. Raises ShareNotFound."""

        async def work(tx: Transaction) -> Share:
            row = await tx.fetch_one(_REVOKE, {"owner": owner_id, "id": share_id})
            if row is None:
                raise not_found()
            return to_share(row)

        return await self._database.transact(user(owner_id), work)


async def forget_ended(database: Database, _: Timing) -> int:
    """Delete shares that ended KEEP_SECONDS ago, a batch of them. Returns how many."""

    async def work(tx: Transaction) -> int:
        return await tx.execute(_FORGET, {"keep": KEEP_SECONDS, "limit": _BATCH})

    return await database.transact(SYSTEM, work)
