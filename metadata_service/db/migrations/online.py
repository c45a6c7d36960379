"""Changes of tables in use that make no writer wait (docs/releases.md).

Each statement here is a transaction of its own and can be repeated, since `migrate` continues where it was
killed. So all other statements of a revision that uses these functions must be repeatable, too.
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
    """Run `ALTER TABLE` with repeatable changes of the catalogue alone, such as `ADD COLUMN IF NOT EXISTS …`
    for a column that is nullable or has a constant default.

    The lock is short, but waits for readers of the table: it is given up after `lock_timeout`, and `migrate`
    tries again.
    """
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """Run `CREATE INDEX CONCURRENTLY`, after removing the invalid index of an interrupted try.

    `on`: the table, its columns and what follows them.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with _patiently():
        if op.get_bind().scalar(_INVALID, {"name": name}):
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {on}")


def drop_index(name: str) -> None:
    """Run `DROP INDEX CONCURRENTLY`."""
    with _patiently():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _patiently() -> Iterator[None]:
    """No lock timeout inside the block: these statements wait for all older transactions, and meanwhile block
    only other migrations and VACUUM.
    """
    with op.get_context().autocommit_block():
        before = op.get_bind().scalar(text("SELECT current_setting('lock_timeout')"))
        op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:  # `migrate` retries after a deadlock; then nobody may wait behind it
            with suppress(DBAPIError):  # the connection is lost
                op.execute(f"SET lock_timeout = '{before}'")
