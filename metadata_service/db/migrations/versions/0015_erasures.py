"""Erasures of users, and policies that refuse new rows for users who are being erased.

Revision ID: 0015
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import refuse_while_erased, secure

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ERASURES = """
CREATE TABLE erasures (
    id uuid NOT NULL,
    owner_id text COLLATE "C",
    owner_sha256 bytea NOT NULL,
    counts bytea NOT NULL DEFAULT ''::bytea,
    begin_position text NOT NULL,
    end_position text NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    shut_at timestamptz,
    ended_at timestamptz,
    held_until timestamptz,
    CONSTRAINT erasures_pkey PRIMARY KEY (id),
    CONSTRAINT erasures_forgets CHECK ((ended_at IS NULL) = (owner_id IS NOT NULL))
)
"""
OF_OWNERS = (
    "blobs",
    "event_media",
    "events",
    "files",
    "generation_tallies",
    "generations",
    "idempotency_keys",
    "link_epochs",
    "project_files",
    "project_keys",
    "project_save_files",
    "project_saves",
    "project_versions",
    "projects",
    "quotas",
    "session_parts",
    "shares",
    "upload_sessions",
    "usage",
)


#: Writers must be able to read the table while `migrate` is between this revision and its grants.
GRANT = """
DO $$
DECLARE role_name text;
BEGIN
    FOR role_name IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = 'blobs' AND privilege_type = 'INSERT'
    LOOP
        EXECUTE 'GRANT SELECT ON erasures TO ' || quote_ident(role_name);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(ERASURES)
    op.execute("CREATE UNIQUE INDEX erasures_running ON erasures (owner_id) WHERE owner_id IS NOT NULL")
    op.execute("CREATE INDEX erasures_by_owner ON erasures (owner_sha256, begun_at)")
    secure("erasures")
    op.execute(GRANT)
    for table in OF_OWNERS:
        refuse_while_erased(table)


def downgrade() -> None:
    for table in OF_OWNERS:
        op.execute(f"DROP POLICY not_erased ON {table}")
    op.execute("DROP TABLE erasures")
