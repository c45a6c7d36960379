"""An owner's revision: a text that changes whenever a list of the owner's would change.

Triggers raise it in the transaction of each change (migration 0026). It is kept in stripes, so that commits
of one owner don't wait for each other; only their sum is meaningful. Nothing raises it when something
expires: the text contains the time of the next expiry, and the date, on which statistics depend.

The revision is read before the rows that it stands for, in the same round trip. At worst it is older than
these; then the next conditional request gets a new answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from metadata_service.db.exchange import Result, Row, Statement

#: One statement; it only looks up indexes.
READ: Final = """
SELECT concat_ws('.',
    (SELECT coalesce(sum(revision), 0) FROM revisions WHERE owner_id = %(owner)s),
    (now() AT TIME ZONE 'UTC')::date,
    coalesce(extract(epoch FROM (SELECT min(expires_at) FROM files
        WHERE owner_id = %(owner)s AND expires_at > now())), 0),
    coalesce(extract(epoch FROM (SELECT min(GREATEST(purge_at, keep_until)) FROM files
        WHERE owner_id = %(owner)s AND deleted_at IS NOT NULL AND held_at IS NULL
            AND GREATEST(purge_at, keep_until) > now())), 0),
    coalesce(extract(epoch FROM (SELECT min(expires_at) FROM shares
        WHERE owner_id = %(owner)s AND expires_at > now())), 0))
"""


@dataclass(slots=True)
class Seen:
    """The first revision read under `Revisions.seen`; empty: none was read."""

    revisions: Revisions
    text: str = ""


_SEEN: Final[ContextVar[Seen | None]] = ContextVar("seen_revision", default=None)


def asked_for(owner_id: str) -> list[Statement]:
    """The statements that read the revision at the start of an owner's transaction; none unless
    `Revisions.seen` is active.
    """
    seen = _SEEN.get()
    return [(READ, {"owner": owner_id})] if owner_id and seen is not None and not seen.text else []


def answered(results: Sequence[Result]) -> None:
    """Record the result of the statements of `asked_for`."""
    seen = _SEEN.get()
    if seen is not None and results:
        seen.text = seen.revisions.text_of(results[0].rows[0])


class Revisions:
    """Reads revisions. `facts`: what answers depend on besides rows, such as settings."""

    def __init__(self, facts: str) -> None:
        self._facts = facts

    def text_of(self, row: Row) -> str:
        """The revision shown to callers for one row of READ: short and opaque."""
        return hashlib.blake2b(f"{row[0]} {self._facts}".encode(), digest_size=12).hexdigest()

    @contextmanager
    def seen(self) -> Iterator[Seen]:
        """Record the revision as it is before the first row that the block reads of its owner."""
        seen = Seen(self)
        token = _SEEN.set(seen)
        try:
            yield seen
        finally:
            _SEEN.reset(token)
