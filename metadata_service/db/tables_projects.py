"""Tables of projects. See `tables` for the rules of all tables.

A row of `project_files` is one content of one path, valid for the versions [from_version, until_version).
Files that a save leaves unchanged need no rows, and each blob belongs to exactly one row.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata

_NEWEST = sa.text("until_version IS NULL")


def _content() -> list[sa.Column[object]]:
    """Columns on the content of one file."""
    return [
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
    ]


def _traits() -> list[sa.Column[object]]:
    """Columns on a version as a whole (its traits)."""
    return [
        sa.Column("file_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("has_frontend", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("has_backend", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("tech_stack", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'::text[]")),
    ]


def _project_key(name: str, *, cascade: bool = True) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["owner_id", "project_id"],
        ["projects.owner_id", "projects.id"],
        name=name,
        ondelete="CASCADE" if cascade else None,
    )


projects = sa.Table(
    "projects",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False),
    sa.Column("slug", BYTE_ORDER, nullable=False, doc="part of the S3 keys"),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column(
        "version",
        sa.BigInteger(),
        nullable=False,
        server_default=sa.text("0"),
        doc="0: not saved yet, not shown",
    ),
    *_traits(),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("keep_until", MOMENT, doc="not deleted before; null: not kept"),
    sa.Column("held_at", MOMENT, doc="on legal hold since then; null: not"),
    sa.Column(
        "held_by_admin", sa.Boolean(), nullable=False, server_default=sa.false(), doc="only admins lift it"
    ),
    sa.Column("hold_reason", sa.Text(), nullable=False, server_default=""),
    sa.Column(
        "keep_versions", sa.Integer(), doc="number of newest versions, 0: all; null: as in the settings"
    ),
    sa.Column("keep_daily_days", sa.Integer(), doc="days for which the last version of each day is kept"),
    sa.PrimaryKeyConstraint("owner_id", "id", name="projects_pkey"),
    sa.CheckConstraint(
        "(keep_versions IS NULL) = (keep_daily_days IS NULL) AND keep_versions >= 0 AND keep_daily_days >= 0",
        name="projects_rule",
    ),
    sa.UniqueConstraint("owner_id", "slug", name="projects_slug"),
    sa.Index("projects_by_change", "owner_id", "updated_at", "id", postgresql_where=sa.text("version > 0")),
)

project_versions = sa.Table(
    "project_versions",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("project_id", pg.UUID(), nullable=False),
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("save_id", pg.UUID(), nullable=False, doc="the save that made it, for repeats of CommitSave"),
    *_traits(),
    sa.Column("added", sa.BigInteger(), nullable=False),
    sa.Column("changed", sa.BigInteger(), nullable=False),
    sa.Column("removed", sa.BigInteger(), nullable=False),
    sa.Column("rolled_back_to", sa.BigInteger(), nullable=False, doc="0: not a roll-back"),
    sa.Column("content_sha256", sa.LargeBinary(), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("name", sa.Text(), nullable=False, server_default="", doc="chosen by users"),
    sa.Column("message", sa.Text(), nullable=False, server_default=""),
    sa.Column("tags", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'::text[]")),
    sa.PrimaryKeyConstraint("owner_id", "project_id", "version", name="project_versions_pkey"),
    sa.UniqueConstraint("owner_id", "save_id", name="project_versions_save"),
    _project_key("project_versions_project"),
)

project_files = sa.Table(
    "project_files",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("project_id", pg.UUID(), nullable=False),
    sa.Column("path", BYTE_ORDER, nullable=False),
    sa.Column("from_version", sa.BigInteger(), nullable=False, doc="the first version that has it"),
    sa.Column("until_version", sa.BigInteger(), doc="the first version without it; null: in the newest"),
    sa.Column("blob_id", pg.UUID(), nullable=False),
    sa.Column("version_id", sa.Text(), nullable=False, doc="S3 version id"),
    sa.Column("etag", sa.Text(), nullable=False),
    sa.Column("crc32c", sa.BigInteger(), nullable=False),
    *_content(),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column(
        "executable", sa.Boolean(), nullable=False, server_default=sa.false(), doc="ProjectFile.executable"
    ),
    sa.Column("damage", sa.SmallInteger(), doc="metadata.v1.Damage of its blob; null: none"),
    sa.PrimaryKeyConstraint("owner_id", "project_id", "path", "from_version", name="project_files_pkey"),
    _project_key("project_files_project"),
    # No action on delete (rule R7): a blob that a version shows cannot be purged.
    sa.ForeignKeyConstraint(
        ["owner_id", "blob_id"], ["blobs.owner_id", "blobs.id"], name="project_files_blob"
    ),
    sa.CheckConstraint("until_version > from_version", name="project_files_versions"),
    sa.Index("project_files_newest", "owner_id", "project_id", "path", unique=True, postgresql_where=_NEWEST),
    sa.Index("project_files_by_blob", "owner_id", "blob_id", unique=True),
)

project_saves = sa.Table(
    "project_saves",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False, doc="a save in progress; the row is deleted when it ends"),
    sa.Column("project_id", pg.UUID(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("base_version", sa.BigInteger(), nullable=False),
    sa.Column("request_id", sa.Text(), nullable=False),
    sa.Column("lease_expires_at", MOMENT, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("told_at", MOMENT, doc="when its owner was last told of the progress"),
    sa.Column("retention", sa.LargeBinary(), doc="metadata.v1.RetentionWish; null: none"),
    sa.PrimaryKeyConstraint("owner_id", "id", name="project_saves_pkey"),
    sa.UniqueConstraint("owner_id", "project_id", name="project_saves_one"),
    _project_key("project_saves_project", cascade=False),  # give it up first: blobs depend on it
    sa.Index("project_saves_expiring", "lease_expires_at"),
)

project_save_files = sa.Table(
    "project_save_files",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("save_id", pg.UUID(), nullable=False),
    sa.Column("path", BYTE_ORDER, nullable=False),
    sa.Column("blob_id", pg.UUID(), doc="null: unchanged, nothing is written"),
    *_content(),
    sa.Column("version_id", sa.Text(), doc="null: not written yet"),
    sa.Column("etag", sa.Text()),
    sa.Column("crc32c", sa.BigInteger()),
    sa.Column(
        "doubtful", sa.Boolean(), nullable=False, server_default=sa.false(), doc="ManifestEntry.doubtful"
    ),
    sa.Column(
        "executable", sa.Boolean(), nullable=False, server_default=sa.false(), doc="ProjectFile.executable"
    ),
    sa.PrimaryKeyConstraint("owner_id", "save_id", "path", name="project_save_files_pkey"),
    sa.ForeignKeyConstraint(
        ["owner_id", "save_id"],
        ["project_saves.owner_id", "project_saves.id"],
        name="project_save_files_save",
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(
        ["owner_id", "blob_id"], ["blobs.owner_id", "blobs.id"], name="project_save_files_blob"
    ),
    sa.Index("project_save_files_by_blob", "owner_id", "blob_id", unique=True),
)

project_keys = sa.Table(
    "project_keys",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("key", BYTE_ORDER, nullable=False, doc="S3 key whose current object has to be checked"),
    sa.Column("slug", BYTE_ORDER, nullable=False),
    sa.Column("path", BYTE_ORDER, nullable=False),
    sa.Column(
        "epoch",
        sa.BigInteger(),
        nullable=False,
        server_default="1",
        doc="raised by each claim and change",
    ),
    sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
    sa.Column(
        "touched_at", MOMENT, nullable=False, server_default=NOW, doc="when the last reason for a check arose"
    ),
    sa.Column("not_before", MOMENT, nullable=False, doc="when the cleaner may check it"),
    sa.PrimaryKeyConstraint("owner_id", "key", name="project_keys_pkey"),
    sa.Index("project_keys_due", "not_before"),
    sa.Index("project_keys_due_by_owner", "owner_id", "not_before"),
    sa.Index("project_keys_by_project", "owner_id", "slug"),
)
