"""The row-level security that every table has; revisions call it for the tables they make.

One policy per table, the same expression for what may be seen and what may be written: the row's owner is
the user of this transaction, or the transaction is the system's. An empty or missing `app.uid` matches
nothing (after a COMMIT the setting reads `''`, not NULL). FORCEd, so that it binds the owner of the table
as well.
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
    """Nobody but the eraser and the cleaner adds a row of an owner who is being erased; for each table that
    has `owner_id`.
    """
    op.execute(
        f"CREATE POLICY not_erased ON {table} AS RESTRICTIVE FOR INSERT WITH CHECK ("
        "current_setting('app.scope', true) IN ('system', 'erasure')"
        f" OR NOT EXISTS (SELECT FROM erasures WHERE erasures.owner_id = {table}.owner_id))"
    )
