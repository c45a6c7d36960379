"""Retention and legal holds of files and projects; triggers refuse every deletion of what is kept or held.

Revision ID: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

#: A condition on a file or project, in triggers.
HELD = "(OLD.held_at IS NOT NULL OR OLD.keep_until > now())"
#: The eraser has checked before it began, or was told to erase kept and held rows, too.
REFUSE = """
CREATE FUNCTION refuse_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('app.scope', true) = 'erasure' THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'held' USING ERRCODE = 'SR423', DETAIL = jsonb_build_object(
        'name', coalesce(to_jsonb(OLD) ->> 'slug', to_jsonb(OLD) ->> 'key'),
        'until', to_jsonb(OLD) ->> 'keep_until', 'hold', OLD.held_at IS NOT NULL,
        'reason', OLD.hold_reason, 'by_admin', OLD.held_by_admin)::text;
END $$
"""
COLUMNS = (
    "keep_until timestamptz",
    "held_at timestamptz",
    "held_by_admin boolean NOT NULL DEFAULT false",
    "hold_reason text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    added = ", ".join(f"ADD COLUMN {column}" for column in COLUMNS)
    op.execute(f"ALTER TABLE files {added}, ADD COLUMN delete_after timestamptz")
    op.execute(f"ALTER TABLE projects {added}")
    op.execute("CREATE INDEX files_deleted_after ON files (delete_after) WHERE delete_after IS NOT NULL")
    op.execute(REFUSE)
    for table in ("files", "projects"):
        op.execute(
            f"CREATE TRIGGER kept BEFORE DELETE ON {table} FOR EACH ROW WHEN {HELD}"
            " EXECUTE FUNCTION refuse_held()"
        )
    op.execute(
        "CREATE TRIGGER kept_bytes BEFORE UPDATE OF blob_id, deleted_at ON files FOR EACH ROW WHEN ("
        f"{HELD} AND (NEW.blob_id <> OLD.blob_id OR OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL))"
        " EXECUTE FUNCTION refuse_held()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER kept ON projects")
    op.execute("DROP TRIGGER kept ON files")
    op.execute("DROP TRIGGER kept_bytes ON files")
    op.execute("DROP FUNCTION refuse_held()")
    op.execute("DROP INDEX files_deleted_after")
    dropped = ", ".join(f"DROP COLUMN {column.split()[0]}" for column in COLUMNS)
    op.execute(f"ALTER TABLE files {dropped}, DROP COLUMN delete_after")
    op.execute(f"ALTER TABLE projects {dropped}")
