"""What is left of an owner who is being erased."""

from __future__ import annotations

from typing import Final

from metadata_service.blobs.erasing import REST
from metadata_service.db.database import Transaction
from metadata_service.db.timestamps import to_proto
from metadata_service.erasing.steps import BY_STEPS, PLAIN, WITH_OTHERS
from strongroom.metadata.v1.admin_service_pb2 import ErasureRest

TABLES: Final = (*BY_STEPS, *WITH_OTHERS, *PLAIN)
_ANYTHING: Final = "\nUNION ALL ".join(
    f"(SELECT '{table}' FROM {table} WHERE owner_id = %(owner)s LIMIT 1)" for table in TABLES
)
_ROWS: Final = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {table} WHERE owner_id = %(owner)s)"
    for table in TABLES
    if table not in {"blobs", "project_keys"}
)
_KEYS: Final = "SELECT count(*), max(not_before) FROM project_keys WHERE owner_id = %(owner)s"


async def nothing(tx: Transaction, owner_id: str) -> bool:
    """Whether no table has a row of the owner."""
    return await tx.fetch_one(_ANYTHING, {"owner": owner_id}) is None


async def left(tx: Transaction, owner_id: str) -> ErasureRest:
    """Counts of what is left, and when the last of it is due."""
    params = {"owner": owner_id}
    [blobs], [keys], [rows] = await tx.fetch_batch([(REST, params), (_KEYS, params), (_ROWS, params)])
    objects, tombstones, failing, due = blobs
    rest = ErasureRest(objects=objects, tombstones=tombstones, failing=failing, keys=keys[0], rows=rows[0])
    moments = [moment for moment in (due, keys[1]) if moment is not None]
    if moments:
        rest.due_time.CopyFrom(to_proto(max(moments)))
    return rest
