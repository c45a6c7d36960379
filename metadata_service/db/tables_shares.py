"""The table of shares. See `tables` for the rules of all tables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata

_ZERO = sa.text("0")

shares = sa.Table(
    "shares",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False, doc="its name for the owner; does not open it"),
    sa.Column("token_hash", sa.LargeBinary(), nullable=False, doc="SHA-256 of the token, which is not kept"),
    sa.Column("scope", sa.LargeBinary(), nullable=False, doc="metadata.v1.ShareScope"),
    sa.Column("title", sa.Text(), nullable=False),
    sa.Column("password_hash", sa.Text(), doc="Argon2id, in PHC form; null: none"),
    sa.Column(
        "session_epoch",
        sa.BigInteger(),
        nullable=False,
        server_default=_ZERO,
        doc="raised when the password changes",
    ),
    sa.Column("expires_at", MOMENT, doc="null: never"),
    sa.Column("max_uses", sa.Integer(), nullable=False, server_default=_ZERO, doc="0: no limit"),
    sa.Column("uses", sa.BigInteger(), nullable=False, server_default=_ZERO),
    sa.Column("last_used_at", MOMENT),
    sa.Column("revoked_at", MOMENT),
    sa.Column(
        "guesses_full_at",
        MOMENT,
        nullable=False,
        server_default=NOW,
        doc="token bucket for wrong passwords: when it is full again",
    ),
    sa.Column("dropped_files", sa.BigInteger(), nullable=False, server_default=_ZERO),
    sa.Column("dropped_bytes", sa.BigInteger(), nullable=False, server_default=_ZERO),
    sa.Column("request_id", BYTE_ORDER, doc="idempotency key of the request that made it"),
    sa.Column("fingerprint", sa.LargeBinary(), doc="of that request"),
    sa.Column("sealed_token", sa.LargeBinary(), doc="the token, encrypted, for repeats of that request"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("owner_id", "id", name="shares_pkey"),
    sa.CheckConstraint(
        "(request_id IS NULL) = (fingerprint IS NULL) AND (request_id IS NULL) = (sealed_token IS NULL)",
        name="shares_request",
    ),
    # Unique over all owners: a visitor with a token has no owner yet. Tokens are random and so don't collide.
    sa.Index("shares_token", "token_hash", unique=True),
    sa.Index("shares_request_id", "owner_id", "request_id", unique=True),
    sa.Index("shares_newest", "owner_id", "created_at", "id"),
    sa.Index("shares_ending", "owner_id", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
    sa.Index("shares_ended", sa.text("least(revoked_at, expires_at)")),
)
