"""A revision for each owner; every change of what the owner's lists show raises it in its own transaction.

Revision ID: 0026
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import refuse_while_erased, secure

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

REVISIONS = """
CREATE TABLE revisions (
    owner_id text COLLATE "C" NOT NULL,
    stripe smallint NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT revisions_pkey PRIMARY KEY (owner_id, stripe)
) WITH (fillfactor=50)
"""
# Once per owner and transaction; in a transaction of several owners not all of them are in scope at the end.
# Only the sum over an owner's stripes is meaningful. The time in microseconds is used instead of a count, so
# that an erased owner, or a restored database, never repeats an earlier revision.
RAISE = """
CREATE FUNCTION raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner text := coalesce(NEW.owner_id, OLD.owner_id);
    scope text := current_setting('app.scope', true);
BEGIN
    IF current_setting('app.raised', true) IS DISTINCT FROM owner THEN
        PERFORM set_config('app.scope', 'system', true);
        INSERT INTO revisions (owner_id, stripe, revision)
        VALUES (owner, pg_backend_pid() % 16, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        ON CONFLICT (owner_id, stripe) DO UPDATE
            SET revision = greatest(revisions.revision + 1, excluded.revision);
        PERFORM set_config('app.raised', owner, true), set_config('app.scope', coalesce(scope, ''), true);
    END IF;
    RETURN NULL;
END $$
"""
#: The changes that count. Claims of background work don't, nor changes that always come with another row of
#: this list (a project's files with its versions).
RAISED_BY = {
    "files": "INSERT OR UPDATE OR DELETE",
    "generations": "INSERT OR UPDATE OR DELETE",
    "event_media": "INSERT OR UPDATE OR DELETE",
    "generation_tallies": "INSERT OR UPDATE OR DELETE",
    "link_epochs": "INSERT OR UPDATE OR DELETE",
    "scans": "INSERT OR UPDATE OF outcome, scanned_at, database, signature, cause",
    "projects": "INSERT OR UPDATE OR DELETE",
    "project_versions": "INSERT OR UPDATE OR DELETE",
    "project_files": "UPDATE OF path, from_version, size_bytes, sha256, content_type, created_at, executable",
    "shares": "INSERT OR UPDATE OR DELETE",
}
#: Indexes for times at which a list changes without a commit.
ENDS = {
    "files_ending": "files (owner_id, expires_at) WHERE expires_at IS NOT NULL",
    "files_leaving_trash": "files (owner_id, GREATEST(purge_at, keep_until))"
    " WHERE deleted_at IS NOT NULL AND held_at IS NULL",
    "shares_ending": "shares (owner_id, expires_at) WHERE expires_at IS NOT NULL",
}


def upgrade() -> None:
    op.execute(REVISIONS)
    secure("revisions")
    refuse_while_erased("revisions")
    op.execute(RAISE)
    for table, changes in RAISED_BY.items():
        # At COMMIT, so that the stripe is locked last and for the shortest time.
        op.execute(
            f"CREATE CONSTRAINT TRIGGER revised AFTER {changes} ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_revision()"
        )
    for name, columns in ENDS.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")


def downgrade() -> None:
    for name in ENDS:
        op.execute(f"DROP INDEX {name}")
    for table in RAISED_BY:
        op.execute(f"DROP TRIGGER revised ON {table}")
    op.execute("DROP FUNCTION raise_revision()")
    op.execute("DROP TABLE revisions")
