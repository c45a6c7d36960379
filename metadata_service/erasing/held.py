"""Retention that prevents the erasure of a user: files and projects kept until a time or on legal hold."""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Transaction
from metadata_service.files.retention import HELD
from strongroom.errors import RetentionHeld

_COUNT: Final = f"""
SELECT (SELECT count(*) FROM files WHERE files.owner_id = %(owner)s AND {HELD}),
    (SELECT count(*) FROM projects
    WHERE owner_id = %(owner)s AND (held_at IS NOT NULL OR keep_until > now())),
    (SELECT count(*) FROM files WHERE owner_id = %(owner)s AND held_at IS NOT NULL)
        + (SELECT count(*) FROM projects WHERE owner_id = %(owner)s AND held_at IS NOT NULL)
"""


async def refuse(tx: Transaction, owner_id: str) -> None:
    """Raise RetentionHeld if the owner has any."""
    row = await tx.fetch_one(_COUNT, {"owner": owner_id})
    if row is None:
        raise AssertionError("a SELECT without FROM answers one row")
    files, projects, holds = row
    if not files and not projects:
        return
    raise RetentionHeld(
        "This user has files or projects under retention or legal hold"
        f" (files: {files}, projects: {projects}; holds: {holds}): nothing was erased. Lift the holds, wait,"
        " or say override_holds"
        " (--override-holds) to erase them as well.",
        metadata={"hold": "true"} if holds else {},
    )
