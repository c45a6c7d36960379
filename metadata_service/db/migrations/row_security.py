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
