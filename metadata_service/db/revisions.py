"""An owner's revision: text that differs whenever a list of the owner's would.

Triggers raise it in the transaction of each change (migration 0026), on stripes, so that commits of one owner
don't wait for each other; only the sum over the stripes means something. What ends by the clock raises
nothing: the next moment at which something does is part of the text, as the day is, on which statistics
depend. It is read before what it stands for, in the same round trip: at worst it is older than that, and the
next question is answered anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from metadata_service.db.exchange import Result, Row, Statement

#: One statement of look-ups in indexes.
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
    """The first revision that was read under `Revisions.seen`; empty: none was."""

    revisions: Revisions
    text: str = ""


_SEEN: Final[ContextVar[Seen | None]] = ContextVar("seen_revision", default=None)


def asked_for(owner_id: str) -> list[Statement]:
    """What a transaction of this owner begins with: the statement, where somebody wants to know."""
    seen = _SEEN.get()
    return [(READ, {"owner": owner_id})] if owner_id and seen is not None and not seen.text else []


def answered(results: Sequence[Result]) -> None:
    """What came of `asked_for`."""
    seen = _SEEN.get()
    if seen is not None and results:
        seen.text = seen.revisions.text_of(results[0].rows[0])


class Revisions:
    """Reads them. `facts`: what answers depend on beside rows, settings for example."""

    def __init__(self, facts: str) -> None:
        self._facts = facts

    def text_of(self, row: Row) -> str:
        """One row of READ, as callers are told it: opaque, and short."""
        return hashlib.blake2b(f"{row[0]} {self._facts}".encode(), digest_size=12).hexdigest()

    @contextmanager
    def seen(self) -> Iterator[Seen]:
        """The revision before the first row that the block reads of its owner."""
        seen = Seen(self)
        token = _SEEN.set(seen)
        try:
            yield seen
        finally:
            _SEEN.reset(token)
