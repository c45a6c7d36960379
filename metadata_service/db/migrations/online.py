"""What a migration does to tables that are in use (docs/releases.md): nobody who writes waits for it.

Each statement here is a transaction of its own, and all of them may be repeated: `migrate` goes on where it
was killed. So nothing else stands in a revision that uses them, but what may be repeated, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

_INVALID: Final = text("""
SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('public.' || :name) AND NOT indisvalid
""")


def alter(table: str, *changes: str) -> None:
    """`ALTER TABLE`, for changes of the catalogue alone (a column that may be null or has a constant default)
    which may be repeated: `ADD COLUMN IF NOT EXISTS …`. Their lock is a moment's, but waits for whoever reads
    the table: given up after a moment (`lock_timeout`), and tried again by `migrate`.
    """
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """`CREATE INDEX CONCURRENTLY`; `on`: table, columns and what follows them. What a try before has left
    unfinished is removed first.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with _patiently():
        if op.get_bind().scalar(_INVALID, {"name": name}):
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {on}")


def drop_index(name: str) -> None:
    """`DROP INDEX CONCURRENTLY`."""
    with _patiently():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _patiently() -> Iterator[None]:
    """These wait until every transaction that was there before them has ended, and hold up nobody meanwhile
    but other migrations and VACUUM.
    """
    with op.get_context().autocommit_block():
        before = op.get_bind().scalar(text("SELECT current_setting('lock_timeout')"))
        op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:  # `migrate` goes on after a deadlock, and then nobody may wait behind it
            with suppress(DBAPIError):  # the connection is lost
                op.execute(f"SET lock_timeout = '{before}'")
