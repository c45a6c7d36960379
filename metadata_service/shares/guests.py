"""Shares as guests see them: opened by a token, perhaps with a password, and counted.

A guest has no account, so these statements run in the system's scope; only the token finds the row.
"""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.rows import COLUMNS, HOLDS, ended, opens, to_share, unknown_token
from metadata_service.shares.tokens import hash_of
from strongroom.errors import Overloaded, RateLimited, SharePasswordWrong
from strongroom.metadata.v1 import share_pb2 as pb

#: Wrong passwords per share, from all sources: this many at once, then one after each pause.
GUESSES_AT_ONCE: Final = 10
GUESS_SECONDS: Final = 6.0

_BY_TOKEN: Final = f"""
SELECT {COLUMNS}, shares.session_epoch, shares.password_hash FROM shares WHERE token_hash = %(token_hash)s
"""
#: A guess has emptied the bucket; no row: it was empty already.
_GUESS: Final = """
UPDATE shares SET guesses_full_at = greatest(guesses_full_at, now()) + make_interval(secs => %(pause)s)
WHERE token_hash = %(token_hash)s
    AND greatest(guesses_full_at, now()) <= now() + make_interval(secs => %(pause)s * (%(most)s - 1))
"""
_WAIT: Final = """
SELECT extract(epoch FROM guesses_full_at - now())::float8 - %(pause)s * (%(most)s - 1) FROM shares
WHERE token_hash = %(token_hash)s
"""
_NO_GUESS: Final = """
UPDATE shares SET guesses_full_at = guesses_full_at - make_interval(secs => %(pause)s)
WHERE token_hash = %(token_hash)s
"""
_COUNT: Final = f"""
UPDATE shares SET uses = uses + 1, last_used_at = now()
WHERE token_hash = %(token_hash)s AND session_epoch = %(epoch)s AND {HOLDS}
    AND (max_uses = 0 OR uses < max_uses)
RETURNING {COLUMNS}, shares.session_epoch
"""
_TRIES: Final = 3


class GuestAccess:
    """Admits guests."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def share(self, token: str) -> tuple[pb.Share, int]:
        """The share, and the epoch that sessions need. A share that is used up is returned, too.

        Raises ShareNotFound, ShareEnded.
        """
        share, epoch, _ = await self._find(token)
        if not opens(share):
            raise ended(share.state)
        return share, epoch

    async def admit(self, token: str, password: str) -> tuple[pb.Share, int]:
        """Count a use and return the share and its epoch. One statement compares and counts.

        Raises ShareNotFound, ShareEnded, SharePasswordWrong, RateLimited, Overloaded.
        """
        for _ in range(_TRIES):  # the share was edited meanwhile: read it again
            share, epoch, kept = await self._find(token)
            if share.state != pb.SHARE_STATE_ACTIVE:
                raise ended(share.state)
            if kept is not None:
                await self._compare(token, kept, password)
            counted = await self._count(token, epoch)
            if counted is not None:
                return to_share(counted[:-1]), counted[-1]
        share, epoch, _ = await self._find(token)
        raise ended(share.state if share.state != pb.SHARE_STATE_ACTIVE else pb.SHARE_STATE_REVOKED)

    async def _find(self, token: str) -> tuple[pb.Share, int, str | None]:
        rows = await self._database.read(SYSTEM, _BY_TOKEN, {"token_hash": hash_of(token)})
        if not rows:
            raise unknown_token()
        *row, epoch, kept = rows[0]
        return to_share(tuple(row)), epoch, kept

    async def _compare(self, token: str, kept: str, password: str) -> None:
        """Check a password. A guess is charged before it is compared, so that parallel guesses gain nothing.

        The charge is returned for the right password, and for one that was not compared.
        """
        values = {"token_hash": hash_of(token), "pause": GUESS_SECONDS, "most": GUESSES_AT_ONCE}

        async def pay(tx: Transaction) -> float | None:
            if await tx.execute(_GUESS, values):
                return None
            row = await tx.fetch_one(_WAIT, values)
            return float(row[0]) if row is not None else 0.0

        async def give_back(tx: Transaction) -> None:
            await tx.execute(_NO_GUESS, values)

        wait = await self._database.transact(SYSTEM, pay)
        if wait is not None:
            raise RateLimited(
                "Too many wrong passwords were tried for this share; wait a little, then try again.",
                retry_after=max(wait, 1.0),
                metadata={"limit": "share_passwords"},
            )
        try:
            is_right = await self._passwords.matches(kept, password)
        except Overloaded:
            await self._database.transact(SYSTEM, give_back)
            raise
        if not is_right:
            raise SharePasswordWrong("That is not the password of this share.")
        await self._database.transact(SYSTEM, give_back)

    async def _count(self, token: str, epoch: int) -> Row | None:
        async def work(tx: Transaction) -> Row | None:
            return await tx.fetch_one(_COUNT, {"token_hash": hash_of(token), "epoch": epoch})

        return await self._database.transact(SYSTEM, work)
