"""Repairs rows that a verification found wrong (docs/verify.md, "Repair").

Each repair is a compare-and-set on what its caller has seen, so anything changed meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.blobs import transitions
from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.verifying import project_sums, scrubbing
from metadata_service.verifying.sums import recount
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import verification_service_pb2 as pb

Work: TypeAlias = Callable[[Transaction], Awaitable[bool]]

_SHOWN: Final = """
version_id = blobs.version_id, etag = blobs.etag, size_bytes = blobs.size_bytes, crc32c = blobs.crc32c,
damage = blobs.damage, content_type = blobs.content_type
"""
_OF_BLOB: Final = f"""
FROM blobs WHERE blobs.owner_id = %(owner)s AND blobs.id = %(id)s AND blobs.state = {COMMITTED}
"""
_FILES: Final = f"""
UPDATE files SET key = blobs.key, {_SHOWN} {_OF_BLOB}
    AND files.owner_id = blobs.owner_id AND files.blob_id = blobs.id
"""
_PROJECT_FILES: Final = f"""
UPDATE project_files SET {_SHOWN} {_OF_BLOB}
    AND project_files.owner_id = blobs.owner_id AND project_files.blob_id = blobs.id
"""
_LOCK: Final = "SELECT FROM blobs WHERE owner_id = %(owner)s AND id = %(id)s FOR UPDATE"


class RowRepairs:
    """One instance per process. `read_grace`: seconds until the object of a retired blob may be removed."""

    def __init__(self, database: Database, read_grace: float) -> None:
        self._database = database
        self._read_grace = read_grace

    async def repair(self, request: pb.RepairRowRequest) -> bool:
        """Repair a row. Returns whether anything was changed. Raises InvalidField, DatabaseUnavailable."""
        match request.WhichOneof("repair"):
            case "relink":
                work = _relink(_relink_values(request))
            case "retire":
                work = _retire(request, self._read_grace)
            case "copy_facts":
                work = _copy_facts(request)
            case "mark":
                work = _mark(request)
            case "recount":
                work = _recount(request.owner_id)
            case _:
                raise InvalidField("Say what is to be repaired.", field="repair", rule="required")
        return await self._database.transact(SYSTEM, work)


def _relink_values(request: pb.RepairRowRequest) -> Mapping[str, Any]:
    wanted = request.relink
    return _row(request) | {
        "from_version_id": wanted.from_version_id,
        "from_etag": wanted.from_etag,
        "version_id": wanted.version_id,
        "etag": wanted.etag,
        "size": wanted.size_bytes,
        "crc32c": wanted.crc32c,
        "metadata": Jsonb(dict(wanted.said.object_metadata)) if wanted.HasField("said") else None,
        "content_type": wanted.said.content_type or None,
    }


def _relink(values: Mapping[str, Any]) -> Work:
    async def work(tx: Transaction) -> bool:
        if not await tx.execute(*transitions.relink(values)):
            return False
        await tx.batch([(_FILES, values), (_PROJECT_FILES, values)])
        return True

    return work


def _mark(request: pb.RepairRowRequest) -> Work:
    values = _row(request) | {
        "version_id": request.mark.version_id,
        "damage": request.mark.damage or None,
    }
    return lambda tx: scrubbing.mark(tx, values)


def _retire(request: pb.RepairRowRequest, grace: float) -> Work:
    async def work(tx: Transaction) -> bool:
        return bool(await tx.execute(*transitions.retire(request.owner_id, UUID(request.blob_id), grace)))

    return work


def _recount(owner_id: str) -> Work:
    async def work(tx: Transaction) -> bool:
        in_projects = await project_sums.recount(tx, owner_id)  # first, in the order of a save's commit
        return await recount(owner_id)(tx) or in_projects

    return work


def _copy_facts(request: pb.RepairRowRequest) -> Work:
    values = _row(request)

    async def work(tx: Transaction) -> bool:
        await tx.fetch(_LOCK, values)
        return any(await tx.batch([(_FILES, values), (_PROJECT_FILES, values)]))

    return work


def _row(request: pb.RepairRowRequest) -> dict[str, Any]:
    return {"owner": request.owner_id, "id": UUID(request.blob_id)}
