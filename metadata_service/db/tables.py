"""The core tables. Alembic compares the migrations with them; `doc` says what each column means.

Queries are plain SQL beside the code that runs them (psycopg, no ORM). Primary keys begin with `owner_id`:
every unique key and foreign key contains the owner, so no row can refer to another owner's. There are two
exceptions: `blobs_exclusive_key` is unique over all owners, as S3 keys are, and callers cannot choose such a
key (docs/decisions/0021); `shares_token` is on random tokens.

Row-level security (FORCEd, the same policy on each table) is defined in the migrations.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import UserDefinedType

from strongroom.metadata.v1 import blob_pb2

metadata = sa.MetaData()

#: Byte order in every locale: the order of S3 keys and of pages.
BYTE_ORDER = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
#: The meaning of each column `traceparent`.
TRACED = "W3C trace context of the request that caused this work; null: not traced"

_OPEN = f"({blob_pb2.BLOB_STATE_PENDING}, {blob_pb2.BLOB_STATE_COMPLETING})"
_WITH_CONTENT = f"({blob_pb2.BLOB_STATE_COMPLETING}, {blob_pb2.BLOB_STATE_COMMITTED})"
_UNREAD = sa.text(
    "media_of IS DISTINCT FROM blob_id AND deleted_at IS NULL AND content_type ~ '^(image|video|audio)/'"
)
_TO_CLEAN = f"({blob_pb2.BLOB_STATE_DELETING}, {blob_pb2.BLOB_STATE_ABORTING}, {blob_pb2.BLOB_STATE_GONE})"


class Xid8(UserDefinedType[str]):
    """The 64-bit transaction id of Postgres."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False, doc="one attempt to write one S3 object"),
    sa.Column("state", sa.SmallInteger(), nullable=False, doc="metadata.v1.BlobState"),
    sa.Column("epoch", sa.BigInteger(), nullable=False, doc="raised when the attempt changes hands"),
    sa.Column("kind", sa.SmallInteger(), nullable=False, doc="metadata.v1.BlobKind"),
    sa.Column("key", BYTE_ORDER, nullable=False, doc="S3 key"),
    sa.Column("key_shared", sa.Boolean(), nullable=False, doc="identity is (key, version id), rule R0"),
    sa.Column("version_id", sa.Text(), nullable=False, server_default=""),
    sa.Column("upload_id", sa.Text(), nullable=False, server_default="", doc="S3 multipart upload"),
    sa.Column("part_size", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    sa.Column("size_bytes", sa.BigInteger(), doc="known from COMPLETING on"),
    sa.Column("crc32c", sa.BigInteger(), doc="known from COMPLETING on"),
    sa.Column("etag", sa.Text(), nullable=False, server_default=""),
    sa.Column(
        "parts", sa.LargeBinary(), nullable=False, server_default=sa.text("''::bytea"), doc="Blob.parts"
    ),
    sa.Column("content_type", sa.Text(), nullable=False),
    sa.Column("spec", sa.LargeBinary(), nullable=False, doc="metadata.v1.UploadSpec"),
    sa.Column("object_metadata", pg.JSONB(), nullable=False, doc="S3 object metadata"),
    sa.Column("request_id", sa.Text(), nullable=False, server_default="", doc="idempotency key"),
    sa.Column(
        "reserved_bytes",
        sa.BigInteger(),
        nullable=False,
        doc="counts towards the quota while PENDING or COMPLETING",
    ),
    sa.Column("reserved_files", sa.SmallInteger(), nullable=False, doc="0: it replaces a file"),
    sa.Column("lease_expires_at", MOMENT, doc="PENDING, COMPLETING: its writer is presumed alive until then"),
    sa.Column("save_id", pg.UUID(), doc="the save of a project that it belongs to, whose lease is its lease"),
    sa.Column("not_before", MOMENT, doc="when the cleaner may act; null: when the lease is over"),
    sa.Column(
        "attempts", sa.Integer(), nullable=False, server_default=sa.text("0"), doc="claims in this state"
    ),
    sa.Column("failure", sa.Text(), doc="why the last claim in this state failed"),
    sa.Column("file_id", pg.UUID(), doc="the file that it was committed as"),
    sa.Column("file_generation", sa.BigInteger(), doc="the generation of that file"),
    sa.Column("damage_told_at", MOMENT, doc="when its owner was last told that it is lost or corrupt"),
    sa.Column("scrubbed_at", MOMENT, doc="when the scrub last found its bytes correct"),
    sa.Column("scrub_after", MOMENT, doc="when the next scrub is due; null: at once"),
    sa.Column("damage", sa.SmallInteger(), doc="metadata.v1.Damage found by the scrub; null: none"),
    sa.Column(
        "storage_class",
        sa.Text(),
        nullable=False,
        server_default="",
        doc="S3 storage class named by the upload; empty: the installation's",
    ),
    sa.Column("traceparent", sa.Text(), doc=TRACED),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("state_changed_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("owner_id", "id", name="blobs_pkey"),
    sa.CheckConstraint("state BETWEEN 1 AND 6 AND epoch >= 1 AND kind BETWEEN 1 AND 4", name="blobs_numbers"),
    sa.CheckConstraint(
        f"state NOT IN {_OPEN} OR lease_expires_at IS NOT NULL OR save_id IS NOT NULL", name="blobs_lease"
    ),
    sa.CheckConstraint(f"state NOT IN {_TO_CLEAN} OR not_before IS NOT NULL", name="blobs_not_before"),
    sa.CheckConstraint(
        f"state NOT IN {_WITH_CONTENT} OR (size_bytes >= 0 AND crc32c BETWEEN 0 AND 4294967295)",
        name="blobs_content",
    ),
    sa.Index("blobs_exclusive_key", "key", unique=True, postgresql_where=sa.text("NOT key_shared")),
    sa.Index("blobs_shared_key", "key", postgresql_where=sa.text("key_shared")),
    sa.Index("blobs_open", "owner_id", "lease_expires_at", postgresql_where=sa.text(f"state IN {_OPEN}")),
    sa.Index("blobs_due", "not_before", postgresql_where=sa.text(f"state IN {_TO_CLEAN}")),
    sa.Index(
        "blobs_due_by_owner", "owner_id", "not_before", postgresql_where=sa.text(f"state IN {_TO_CLEAN}")
    ),
    sa.Index(
        "blobs_scrub",
        sa.text("scrub_after NULLS FIRST"),
        postgresql_where=sa.text(f"state = {blob_pb2.BLOB_STATE_COMMITTED}"),
    ),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False, doc="stays when the content is replaced"),
    sa.Column("family", sa.SmallInteger(), nullable=False, doc="metadata.v1.FileFamily"),
    sa.Column("key", BYTE_ORDER, nullable=False, doc="S3 key of the current content"),
    sa.Column("slot", BYTE_ORDER, doc="`profile`, `path:…`; null: not replaceable"),
    sa.Column("blob_id", pg.UUID(), nullable=False),
    sa.Column("filename", sa.Text(), nullable=False),
    sa.Column("content_type", sa.Text(), nullable=False),
    sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    sa.Column("etag", sa.Text(), nullable=False),
    sa.Column("generation", sa.BigInteger(), nullable=False),
    sa.Column("version_id", sa.Text(), nullable=False, server_default=""),
    sa.Column("crc32c", sa.BigInteger(), nullable=False),
    sa.Column("metadata", pg.JSONB(), nullable=False),
    sa.Column("visibility", sa.SmallInteger(), nullable=False, doc="metadata.v1.Visibility"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("expires_at", MOMENT, doc="temporary files: invisible from then on"),
    sa.Column("deleted_at", MOMENT, doc="soft-deleted"),
    sa.Column("purge_at", MOMENT, doc="soft-deleted: until when it can be restored"),
    sa.Column(
        "link_epoch",
        sa.BigInteger(),
        nullable=False,
        server_default=sa.text("0"),
        doc="how often its links were revoked",
    ),
    sa.Column("damage", sa.SmallInteger(), doc="metadata.v1.Damage of its blob; null: none"),
    sa.Column("media", pg.JSONB(), doc="media info of the content (files/media_columns.py)"),
    sa.Column("media_of", pg.UUID(), doc="the blob that `media` was read from; other than blob_id: due"),
    sa.Column("location_masks", sa.LargeBinary(), doc="serialized LocationMasks of the same blob"),
    sa.Column("media_after", MOMENT, doc="not claimed for reading before; null: at once"),
    sa.Column(
        "media_tries", sa.SmallInteger(), nullable=False, server_default=sa.text("0"), doc="claims so far"
    ),
    sa.Column("keep_until", MOMENT, doc="not deleted or replaced before; null: not kept"),
    sa.Column("held_at", MOMENT, doc="on legal hold since then; null: not"),
    sa.Column(
        "held_by_admin", sa.Boolean(), nullable=False, server_default=sa.false(), doc="only admins lift it"
    ),
    sa.Column("hold_reason", sa.Text(), nullable=False, server_default=""),
    sa.Column("delete_after", MOMENT, doc="deleted automatically then, instead of by its family's rule"),
    sa.PrimaryKeyConstraint("owner_id", "id", name="files_pkey"),
    # No action on delete (rule R7): a blob that a file shows cannot be purged.
    sa.ForeignKeyConstraint(["owner_id", "blob_id"], ["blobs.owner_id", "blobs.id"], name="files_blob"),
    sa.CheckConstraint("(deleted_at IS NULL) = (purge_at IS NULL)", name="files_soft_delete"),
    sa.CheckConstraint(
        "generation >= 1 AND family BETWEEN 1 AND 6 AND size_bytes >= 0", name="files_numbers"
    ),
    sa.Index(
        "files_slot",
        "owner_id",
        "slot",
        unique=True,
        postgresql_where=sa.text("slot IS NOT NULL AND deleted_at IS NULL"),
    ),
    sa.Index("files_by_key", "owner_id", "key", "id"),
    sa.Index("files_by_family_key", "owner_id", "family", "key", "id"),
    sa.Index("files_by_family", "owner_id", "family", "created_at", "id"),
    sa.Index(
        "files_trash", "owner_id", "deleted_at", "id", postgresql_where=sa.text("deleted_at IS NOT NULL")
    ),
    sa.Index("files_by_blob", "owner_id", "blob_id"),
    sa.Index("files_unread", sa.text("media_after NULLS FIRST"), postgresql_where=_UNREAD),
    sa.Index(
        "files_unread_by_owner", "owner_id", sa.text("media_after NULLS FIRST"), postgresql_where=_UNREAD
    ),
    sa.Index("files_expiring", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
    sa.Index("files_deleted_after", "delete_after", postgresql_where=sa.text("delete_after IS NOT NULL")),
    sa.Index("files_purging", "purge_at", postgresql_where=sa.text("purge_at IS NOT NULL")),
    sa.Index("files_ending", "owner_id", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
    sa.Index(
        "files_out_of_trash",
        sa.text("GREATEST(purge_at, keep_until)"),
        postgresql_where=sa.text("deleted_at IS NOT NULL AND held_at IS NULL"),
    ),
    sa.Index(
        "files_leaving_trash",
        "owner_id",
        sa.text("GREATEST(purge_at, keep_until)"),
        postgresql_where=sa.text("deleted_at IS NOT NULL AND held_at IS NULL"),
    ),
)

generations = sa.Table(
    "generations",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("file_id", pg.UUID(), nullable=False),
    sa.Column("type", sa.SmallInteger(), nullable=False, doc="metadata.v1.GenerationType"),
    sa.Column("prompt", sa.Text(), nullable=False),
    sa.Column("settings_json", sa.Text(), nullable=False, doc="byte for byte as given"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("owner_id", "file_id", name="generations_pkey"),
    sa.ForeignKeyConstraint(
        ["owner_id", "file_id"], ["files.owner_id", "files.id"], name="generations_file", ondelete="CASCADE"
    ),
    sa.Index("generations_by_type", "owner_id", "type", "created_at", "file_id"),
    sa.Index("generations_newest", "owner_id", "created_at", "file_id"),
)

generation_tallies = sa.Table(
    "generation_tallies",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("type", sa.SmallInteger(), nullable=False, doc="metadata.v1.GenerationType"),
    sa.Column("day", sa.Date(), nullable=False, doc="of the commit, UTC"),
    sa.Column("stripe", sa.SmallInteger(), nullable=False, doc="as in usage: only sums are meaningful"),
    sa.Column("count", sa.BigInteger(), nullable=False),
    sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("owner_id", "type", "day", "stripe", name="generation_tallies_pkey"),
    postgresql_with={"fillfactor": "50"},
)

event_media = sa.Table(
    "event_media",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("file_id", pg.UUID(), nullable=False),
    sa.Column("event_id", pg.UUID(), nullable=False),
    sa.Column("title", sa.Text(), nullable=False),
    sa.Column("description", sa.Text(), nullable=False),
    sa.Column("tags", pg.ARRAY(sa.Text()), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("owner_id", "file_id", name="event_media_pkey"),
    sa.ForeignKeyConstraint(
        ["owner_id", "file_id"], ["files.owner_id", "files.id"], name="event_media_file", ondelete="CASCADE"
    ),
    sa.Index("event_media_by_event", "owner_id", "event_id", "created_at", "file_id"),
    sa.Index("event_media_by_tag", "tags", postgresql_using="gin"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("request_id", BYTE_ORDER, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
    sa.Column("guess_fingerprint", sa.LargeBinary(), doc="of the request with its guessed target"),
    sa.Column("blob_id", pg.UUID(), doc="the attempt that holds the key, or has answered"),
    sa.Column("save_id", pg.UUID(), doc="the save that holds the key, or has answered"),
    sa.Column("size_bytes", sa.BigInteger(), doc="of the winner's file"),
    sa.Column("crc32c", sa.BigInteger(), doc="of the winner's file"),
    sa.Column("reply", sa.LargeBinary(), doc="the winner's answer; outlives its file (rule R6)"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("owner_id", "request_id", name="idempotency_keys_pkey"),
    sa.CheckConstraint("num_nonnulls(blob_id, save_id) = 1", name="idempotency_keys_holder"),
    sa.Index("idempotency_keys_expiring", "expires_at"),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("stripe", sa.SmallInteger(), nullable=False, doc="parallel uploads update different rows"),
    sa.Column(
        "used_bytes", sa.BigInteger(), nullable=False, doc="only the sum over the stripes is meaningful"
    ),
    sa.Column("file_count", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("owner_id", "stripe", name="usage_pkey"),
    postgresql_with={"fillfactor": "50"},  # updates stay on their page (HOT)
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("stripe", sa.SmallInteger(), nullable=False, doc="as in usage"),
    sa.Column("revision", sa.BigInteger(), nullable=False, doc="only the sum over the stripes is meaningful"),
    sa.PrimaryKeyConstraint("owner_id", "stripe", name="revisions_pkey"),
    postgresql_with={"fillfactor": "50"},
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("limit_bytes", sa.BigInteger(), doc="null: none"),
    sa.Column("limit_files", sa.BigInteger(), doc="null: none"),
    sa.PrimaryKeyConstraint("owner_id", name="quotas_pkey"),
)

link_epochs = sa.Table(
    "link_epochs",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column(
        "epoch", sa.BigInteger(), nullable=False, doc="how often all links were revoked; no row: never"
    ),
    sa.PrimaryKeyConstraint("owner_id", name="link_epochs_pkey"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column("xid", Xid8(), nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("type", sa.SmallInteger(), nullable=False, doc="metadata.v1.EventType"),
    sa.Column("subject_id", sa.Text(), nullable=False),
    sa.Column("payload", pg.JSONB(), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("traceparent", sa.Text(), doc=TRACED),
    # The order in which an owner's events are read: (xid, id) below the snapshot's xmin, so that nothing is
    # missed.
    sa.PrimaryKeyConstraint("owner_id", "xid", "id", name="events_pkey"),
    sa.Index("events_by_age", "created_at"),
    sa.Index("events_by_position", "xid", "id"),
)
