"""Running counts of generations by type and day, for exact totals and statistics without reading all rows.

They are updated in the transactions that make files visible or invisible. Striped like ``usage``: parallel
commits of one owner add to different rows, and only sums are meaningful.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final
from uuid import UUID

from metadata_service.db.database import Statement
from metadata_service.usage.quota import STRIPES
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_GENERATION, File

_ADD: Final = f"""
INSERT INTO generation_tallies (owner_id, type, day, stripe, count, size_bytes)
VALUES (%(owner)s, %(type)s, (%(created)s AT TIME ZONE 'UTC')::date, pg_backend_pid() %% {STRIPES},
    %(count)s, %(size)s)
ON CONFLICT (owner_id, type, day, stripe) DO UPDATE
SET count = generation_tallies.count + EXCLUDED.count,
    size_bytes = generation_tallies.size_bytes + EXCLUDED.size_bytes
"""
_TAKE_MANY: Final = f"""
INSERT INTO generation_tallies (owner_id, type, day, stripe, count, size_bytes)
SELECT files.owner_id, generations.type, (files.created_at AT TIME ZONE 'UTC')::date,
    pg_backend_pid() %% {STRIPES}, -count(*), -sum(files.size_bytes)::bigint
FROM files JOIN generations ON generations.owner_id = files.owner_id AND generations.file_id = files.id
WHERE files.owner_id = %(owner)s AND files.id = ANY(%(ids)s) GROUP BY 1, 2, 3
ON CONFLICT (owner_id, type, day, stripe) DO UPDATE
SET count = generation_tallies.count + EXCLUDED.count,
    size_bytes = generation_tallies.size_bytes + EXCLUDED.size_bytes
"""


def became_visible(file: File) -> list[Statement]:
    """Statements that add a file; none for families that are not counted."""
    return _add(file, 1)


def became_invisible(file: File) -> list[Statement]:
    """Statements that subtract a file."""
    return _add(file, -1)


def many_became_invisible(owner_id: str, file_ids: list[UUID]) -> Statement:
    """The statement that subtracts those of these files that are counted."""
    return _TAKE_MANY, {"owner": owner_id, "ids": file_ids}


def _add(file: File, sign: int) -> list[Statement]:
    if file.family != FILE_FAMILY_GENERATION:
        return []
    return [
        (
            _ADD,
            {
                "owner": file.owner_id,
                "type": file.generation_details.type,
                "created": file.create_time.ToDatetime(tzinfo=UTC),
                "count": sign,
                "size": sign * file.size_bytes,
            },
        )
    ]
