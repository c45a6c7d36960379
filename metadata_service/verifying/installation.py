"""The installation of this database. A bucket may be changed only by its own installation."""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database
from metadata_service.db.migrations import REVISIONS
from strongroom.metadata.v1 import verification_service_pb2 as pb

_READ: Final = f"""
SELECT coalesce((SELECT id::text FROM installation ORDER BY created_at LIMIT 1), ''),
    coalesce((SELECT version_num FROM alembic_version), ''),
    EXISTS (SELECT FROM blobs WHERE state = {COMMITTED})
"""


async def read(database: Database) -> pb.GetInstallationResponse:
    """The installation now. Raises DatabaseUnavailable."""
    ((installation_id, revision, has_committed),) = await database.read(SYSTEM, _READ)
    return pb.GetInstallationResponse(
        installation_id=installation_id,
        schema_revision=revision,
        expected_revision=REVISIONS[-1],
        has_committed=has_committed,
    )
