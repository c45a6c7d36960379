"""Marks what shows a blob as lost or damaged, or removes the mark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metadata_service.blobs import scrubs
from metadata_service.db.database import Statement, Transaction

_SHOWN: Final = """
UPDATE {table} SET damage = %(damage)s::smallint FROM blobs
WHERE blobs.owner_id = %(owner)s AND blobs.id = %(id)s AND {table}.owner_id = blobs.owner_id
    AND {table}.blob_id = blobs.id AND {table}.damage IS DISTINCT FROM %(damage)s::smallint
"""
_FILES: Final = _SHOWN.format(table="files")
_PROJECT_FILES: Final = _SHOWN.format(table="project_files")


def shown(values: Mapping[str, Any]) -> list[Statement]:
    """Statements that mark what shows a blob, in addition to the blob itself; `damage` None: unmark."""
    return [(_FILES, values), (_PROJECT_FILES, values)]


async def mark(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Mark blob `owner`, `id`, if it is committed as `version_id`. False: it is not, or no longer."""
    if not await tx.execute(*scrubs.mark(values)):
        return False
    await tx.batch(shown(values))
    return True
