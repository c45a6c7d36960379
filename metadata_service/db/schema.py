"""The whole schema: the tables of all modules, for Alembic and for the grants."""

from __future__ import annotations

from metadata_service.db import (
    tables_admin,
    tables_contents,
    tables_projects,
    tables_sessions,
    tables_shares,
    tables_verification,
    tables_webhooks,
)
from metadata_service.db.tables import metadata

__all__ = [
    "metadata",
    "tables_admin",
    "tables_contents",
    "tables_projects",
    "tables_sessions",
    "tables_shares",
    "tables_verification",
    "tables_webhooks",
]
