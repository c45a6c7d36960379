"""Saves by name: a blob names the save that it belongs to, instead of a lease of a hundred years; a request
id names the save that holds it, instead of a blob that does not exist.

Rows written by the previous release stay valid. It keeps the request ids of the saves that it has begun: a
repeat of such a request finds the project's save in progress.

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OPEN = "(1, 2)"  # PENDING, COMPLETING
_LEASE = f"state NOT IN {_OPEN} OR lease_expires_at IS NOT NULL"


def upgrade() -> None:
    op.execute("ALTER TABLE blobs ADD COLUMN save_id uuid")
    _demand_lease(f"{_LEASE} OR save_id IS NOT NULL")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN save_id uuid, ALTER COLUMN blob_id DROP NOT NULL")
    op.execute(
        "UPDATE idempotency_keys AS keys SET save_id = versions.save_id, blob_id = NULL"
        " FROM project_versions AS versions"
        " WHERE versions.owner_id = keys.owner_id AND versions.save_id = keys.blob_id"
    )
    op.execute(
        "ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_holder"
        " CHECK (num_nonnulls(blob_id, save_id) = 1)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_holder")
    op.execute("UPDATE idempotency_keys SET blob_id = save_id WHERE blob_id IS NULL")
    op.execute("ALTER TABLE idempotency_keys DROP COLUMN save_id, ALTER COLUMN blob_id SET NOT NULL")
    op.execute(
        "UPDATE blobs SET lease_expires_at = now() + interval '100 years'"
        f" WHERE state IN {_OPEN} AND lease_expires_at IS NULL"
    )
    _demand_lease(_LEASE)
    op.execute("ALTER TABLE blobs DROP COLUMN save_id")


def _demand_lease(condition: str) -> None:
    op.execute("ALTER TABLE blobs DROP CONSTRAINT blobs_lease")
    op.execute(f"ALTER TABLE blobs ADD CONSTRAINT blobs_lease CHECK ({condition})")
