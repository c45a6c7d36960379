"""Shares: links that people without an account open.

Revision ID: 0013
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import secure

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SHARES = """
CREATE TABLE shares (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    scope bytea NOT NULL,
    title text NOT NULL,
    password_hash text,
    session_epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz,
    max_uses integer NOT NULL DEFAULT 0,
    uses bigint NOT NULL DEFAULT 0,
    last_used_at timestamptz,
    revoked_at timestamptz,
    guesses_full_at timestamptz NOT NULL DEFAULT now(),
    dropped_files bigint NOT NULL DEFAULT 0,
    dropped_bytes bigint NOT NULL DEFAULT 0,
    request_id text COLLATE "C",
    fingerprint bytea,
    sealed_token bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT shares_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT shares_request CHECK (
        (request_id IS NULL) = (fingerprint IS NULL) AND (request_id IS NULL) = (sealed_token IS NULL)
    )
)
"""


def upgrade() -> None:
    op.execute(SHARES)
    op.execute("CREATE UNIQUE INDEX shares_token ON shares (token_hash)")
    op.execute("CREATE UNIQUE INDEX shares_request_id ON shares (owner_id, request_id)")
    op.execute("CREATE INDEX shares_newest ON shares (owner_id, created_at, id)")
    op.execute("CREATE INDEX shares_ended ON shares (least(revoked_at, expires_at))")
    secure("shares")


def downgrade() -> None:
    op.execute("DROP TABLE shares")
