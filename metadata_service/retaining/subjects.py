"""The subject of retention: a file, also one in the trash, or a project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from metadata_service.db.database import Params, Statement, Transaction
from metadata_service.files import events
from metadata_service.files.deletion import not_found
from metadata_service.files.retention import OF_FILE, OF_PROJECT, to_retention
from metadata_service.files.rows import COLUMNS, NOT_PURGED, to_file
from metadata_service.projects.rows import project_not_found
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_TEMP, File
from strongroom.metadata.v1.retention_pb2 import Retention

_FILE: Final = f"files.owner_id = %(owner)s AND files.id = %(id)s AND {NOT_PURGED}"
_PROJECT: Final = "projects.owner_id = %(owner)s AND projects.slug = %(slug)s AND projects.version > 0"
_LOCK_FILE: Final = f"""
SELECT {OF_FILE}, files.family = {FILE_FAMILY_TEMP}, files.deleted_at IS NOT NULL, now()
FROM files WHERE {_FILE} FOR UPDATE
"""
_LOCK_PROJECT: Final = f"SELECT {OF_PROJECT}, false, false, now() FROM projects WHERE {_PROJECT} FOR UPDATE"
_READ_FILE: Final = f"SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND id = %(id)s"
_READ_PROJECT: Final = f"SELECT {OF_PROJECT} FROM projects WHERE {_PROJECT}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Either a file by `file_id`, or a project by its slug."""

    owner_id: str
    file_id: UUID | None
    project: str

    @property
    def params(self) -> dict[str, object]:
        """Parameters that name it in statements."""
        return {"owner": self.owner_id, "id": self.file_id, "slug": self.project}

    @property
    def details(self) -> dict[str, str]:
        """Details for the audit log."""
        return {"project": self.project} if self.file_id is None else {"file": str(self.file_id)}

    def set(self, changes: str, params: dict[str, object]) -> Statement:
        """`changes`: SQL for SET, each column once."""
        table, where = ("projects", _PROJECT) if self.file_id is None else ("files", _FILE)
        values: Params = self.params | params
        return f"UPDATE {table} SET {changes} WHERE {where}", values

    def not_found(self) -> StrongroomError:
        """The error if it does not exist."""
        return project_not_found() if self.file_id is None else not_found()


@dataclass(frozen=True, slots=True)
class Locked:
    """Its retention; whether it is temporary, or in the trash; and the database's time (aware)."""

    holds: Retention
    temporary: bool
    in_trash: bool
    now: datetime


async def lock(tx: Transaction, subject: Subject) -> Locked:
    """Read and lock it until the end of the transaction.

    Raises FileNotFound, ProjectNotFound.
    """
    query = _LOCK_PROJECT if subject.file_id is None else _LOCK_FILE
    row = await tx.fetch_one(query, subject.params)
    if row is None:
        raise subject.not_found()
    return Locked(to_retention(row[0]) if row[0] is not None else Retention(), *row[1:])


async def tell(tx: Transaction, subject: Subject) -> Retention:
    """The retention from now on; also sends an event to the owner."""
    if subject.file_id is None:
        row = await tx.fetch_one(_READ_PROJECT, subject.params)
        return to_retention(row[0]) if row is not None and row[0] is not None else Retention()
    found: list[File] = [to_file(row) for row in await tx.fetch(_READ_FILE, subject.params)]
    if not found:
        raise subject.not_found()
    await tx.batch([events.file_updated(found[0])])
    return found[0].retention
