"""if_generation_match (AIP-154): 0 means that the target must not exist yet."""

from __future__ import annotations

from typing import Final

from metadata_service.db.database import Transaction
from metadata_service.db.errors import retention_held
from metadata_service.files.retention import HELD, HELD_DETAIL
from strongroom.errors import PreconditionFailed
from strongroom.metadata.v1.target_pb2 import UploadSpec

_GENERATION: Final = f"""
SELECT generation, {HELD}, {HELD_DETAIL} FROM files
WHERE owner_id = %s AND slot = %s AND deleted_at IS NULL
"""


def check_generation(wanted: int, actual: int) -> None:
    """Check that the target is at the `wanted` generation. Raises PreconditionFailed {actual}."""
    if wanted == actual:
        return
    if wanted == 0:
        text = "The file exists already, and the request may only create it."
    elif actual == 0:
        text = "There is no such file, and the request may only replace one."
    else:
        text = f"The file is at generation {actual} and not at {wanted}; read it again."
    raise PreconditionFailed(text, metadata={"actual": str(actual)})


async def check_slot(tx: Transaction, owner_id: str, slot: str | None, spec: UploadSpec) -> int:
    """The generation of the file that an upload would replace, 0 for none. T4 checks again.

    Raises PreconditionFailed, RetentionHeld.
    """
    row = None
    if slot is not None:
        row = await tx.fetch_one(_GENERATION, (owner_id, slot))
    actual = int(row[0]) if row else 0
    if spec.HasField("if_generation_match"):
        check_generation(spec.if_generation_match, actual)
    if row and row[1]:
        raise retention_held(row[2])
    return actual
