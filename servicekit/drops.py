"""Errors for guests whose file a drop refuses, whether at the start of the upload or when the file is
counted.
"""

from __future__ import annotations

from strongroom.errors import DropFull, SizeLimitExceeded
from strongroom.metadata.v1.share_pb2 import Share


def check_room(share: Share) -> None:
    """Check whether a drop takes anything more. Raises DropFull."""
    rules = share.scope.drop
    if share.dropped_files >= rules.max_files:
        raise drop_full("files")
    if share.dropped_bytes >= rules.max_bytes:
        raise drop_full("bytes")


def drop_full(rule: str) -> DropFull:
    """The error for a full drop. Guests are not told how much others have uploaded."""
    return DropFull(
        "No more files are accepted here; tell the person who sent you the link.", metadata={"rule": rule}
    )


def too_large(most: int) -> SizeLimitExceeded:
    """The error for a file of more than ``most`` bytes."""
    return SizeLimitExceeded(
        f"A file may have {most} bytes here.", metadata={"limit": str(most), "family": "drop"}
    )
