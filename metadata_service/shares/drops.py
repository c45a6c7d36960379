"""Limits of drops: checked when a guest's upload begins, and counted in the transaction that makes it
visible.

So the counts are correct whatever crashes, and a revoked share takes nothing more, not even uploads already
in progress.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.db.database import Transaction
from metadata_service.shares.rows import COLUMNS, HOLDS, ended, opens, to_share
from servicekit.drops import check_room, drop_full, too_large
from strongroom.errors import (
    ContentTypeNotAllowed,
    DropFull,
    ShareEnded,
    ShareNotFound,
    SizeLimitExceeded,
)
from strongroom.metadata.v1 import share_pb2 as pb
from strongroom.metadata.v1.target_pb2 import UploadSpec

_ONE: Final = f"SELECT {COLUMNS} FROM shares WHERE owner_id = %(owner)s AND id = %(id)s"
_COUNT: Final = f"""
UPDATE shares SET dropped_files = dropped_files + 1, dropped_bytes = dropped_bytes + %(size)s
WHERE owner_id = %(owner)s AND id = %(id)s AND {HOLDS}
    AND dropped_files < %(max_files)s AND dropped_bytes + %(size)s <= %(max_bytes)s
"""
#: Errors of `count` that a retry does not cure.
REFUSALS: Final = (DropFull, ShareEnded, ShareNotFound, SizeLimitExceeded)


async def check(tx: Transaction, owner_id: str, spec: UploadSpec) -> None:
    """Check in T1 of an upload through the drop `spec.share_id`, once its type is known.

    Raises ShareNotFound, ShareEnded, DropFull, ContentTypeNotAllowed, SizeLimitExceeded.
    """
    share = await _share(tx, owner_id, spec)
    rules = share.scope.drop
    check_room(share)
    _check_size(rules, spec.size_bytes)
    kind = spec.content_type.partition(";")[0].strip().lower()
    if rules.content_types and not any(_matches(kind, pattern) for pattern in rules.content_types):
        raise ContentTypeNotAllowed(
            f"Files of the type {kind} are not accepted here.",
            metadata={"detected": kind, "allowed": ", ".join(rules.content_types)},
        )


async def count(tx: Transaction, owner_id: str, spec: UploadSpec, size: int) -> None:
    """Count in T4 of the same upload: compares and raises the counts in one statement. Raises one of
    REFUSALS.
    """
    share = await _share(tx, owner_id, spec)
    rules = share.scope.drop
    _check_size(rules, size)
    counted = await tx.execute(
        _COUNT,
        {
            "owner": owner_id,
            "id": UUID(spec.share_id),
            "size": size,
            "max_files": rules.max_files,
            "max_bytes": rules.max_bytes,
        },
    )
    if not counted:
        check_room(await _share(tx, owner_id, spec))
        raise drop_full("bytes")  # there is room, but not for this many bytes


async def _share(tx: Transaction, owner_id: str, spec: UploadSpec) -> pb.Share:
    row = await tx.fetch_one(_ONE, {"owner": owner_id, "id": UUID(spec.share_id)})
    share = to_share(row) if row is not None else None
    if share is None or not share.scope.HasField("drop"):
        raise ShareNotFound("There is no such drop.")
    if not opens(share):
        raise ended(share.state)
    return share


def _check_size(rules: pb.Drop, size: int) -> None:
    if size > rules.max_file_bytes:
        raise too_large(rules.max_file_bytes)


def _matches(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("/*") else kind == pattern
