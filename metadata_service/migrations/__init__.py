"""Alembic revisions of the schema; `metadata_service.migrate` runs them."""

from __future__ import annotations

#: Every revision, oldest first; the last one is what this release needs (a test compares them with the scripts).
REVISIONS = ("0001",)
