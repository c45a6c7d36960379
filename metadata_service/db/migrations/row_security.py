"""Row-level security of the tables; revisions call this for the tables that they create.

Each table has one policy with the same expression for reading and writing: the row's owner is the
transaction's user, or the transaction is the system's. An empty or missing `app.uid` matches nothing (after a
COMMIT the setting is `''`, not NULL). It is FORCEd, so that it also binds the owner of the table.
"""

from __future__ import annotations

from alembic import op

OWNER_SCOPE = (
    "owner_id = nullif(current_setting('app.uid', true), '') OR current_setting('app.scope', true) = 'system'"
)
SYSTEM_SCOPE = "current_setting('app.scope', true) = 'system'"


def secure(table: str, expression: str = OWNER_SCOPE) -> None:
    """Enable and force row-level security with the one policy `scope`."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY scope ON {table} USING ({expression}) WITH CHECK ({expression})")


def refuse_while_erased(table: str) -> None:
    """Refuse new rows for an owner who is being erased, except from the eraser and the cleaner. For each
    table with an `owner_id`.
    """
    op.execute(
        f"CREATE POLICY not_erased ON {table} AS RESTRICTIVE FOR INSERT WITH CHECK ("
        "current_setting('app.scope', true) IN ('system', 'erasure')"
        f" OR NOT EXISTS (SELECT FROM erasures WHERE erasures.owner_id = {table}.owner_id))"
    )
