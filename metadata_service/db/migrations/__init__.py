"""Alembic revisions of the schema; `metadata_service.db.migrate` runs them."""

from __future__ import annotations

#: Every revision, oldest first; the last one is what this release needs (a test compares them with the
#: scripts).
REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0021",
)

#: Every table of ours, all of them under row-level security (a test compares them with the schema).
TABLES = (
    "admin_act_owners",
    "admin_acts",
    "alembic_version",
    "blobs",
    "cleaner_replicas",
    "erasures",
    "event_media",
    "events",
    "files",
    "generation_tallies",
    "generations",
    "idempotency_keys",
    "installation",
    "link_epochs",
    "project_files",
    "project_keys",
    "project_save_files",
    "project_saves",
    "project_versions",
    "projects",
    "quotas",
    "running_acts",
    "session_parts",
    "shares",
    "storage_replicas",
    "upload_sessions",
    "usage",
    "verification_findings",
    "verification_shards",
    "verifications",
)
