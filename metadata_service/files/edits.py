"""Edits of a file's name, visibility and metadata. Content never changes in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.files import events
from metadata_service.files.deletion import not_found
from metadata_service.files.event_media import DetailEdit, edit_details
from metadata_service.files.families import PROMISED
from metadata_service.files.preconditions import check_generation
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_EVENT_MEDIA, File
from strongroom.path_rules import clean_filename

#: Most pairs of user metadata per file, as the schema allows for uploads.
MOST_METADATA: Final = 32
_LOCK: Final = f"SELECT {COLUMNS} FROM files WHERE owner_id = %s AND id = %s AND {VISIBLE} FOR UPDATE"
_UPDATE: Final = """
UPDATE files SET filename = %(filename)s, visibility = %(visibility)s, metadata = %(metadata)s,
    generation = generation + 1, updated_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s
"""
_READ: Final = f"SELECT {COLUMNS} FROM files WHERE owner_id = %s AND id = %s"


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes to a file; None: unchanged.

    `metadata` replaces all of the user's metadata with `replace_metadata`; otherwise it is added, and the
    names in `remove_metadata` are removed. `details`: only for event media.
    """

    owner_id: str
    file_id: UUID
    filename: str | None = None
    visibility: int | None = None
    metadata: Mapping[str, str] | None = None
    replace_metadata: bool = False
    remove_metadata: Sequence[str] = ()
    details: DetailEdit | None = None
    if_generation_match: int | None = None


class Editor:
    """Edits files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, edit: Edit) -> File:
        """Edit a file. Returns it at its next generation. Raises FileNotFound, PreconditionFailed,
        InvalidField.
        """
        filename = None if edit.filename is None else _required(clean_filename(edit.filename))

        async def work(tx: Transaction) -> File:
            row = await tx.fetch_one(_LOCK, (edit.owner_id, edit.file_id))
            if row is None:
                raise not_found()
            file = to_file(row)
            if edit.if_generation_match is not None:
                check_generation(edit.if_generation_match, file.generation)
            statements: list[Statement] = [
                (
                    _UPDATE,
                    {
                        "owner": edit.owner_id,
                        "id": edit.file_id,
                        "filename": filename or file.filename,
                        "visibility": edit.visibility or file.visibility,
                        "metadata": Jsonb(_merged(file, edit)),
                    },
                )
            ]
            if edit.details is not None:
                statements.append(_details(file, edit.details))
            await tx.batch(statements)
            file = to_file((await tx.fetch(_READ, (edit.owner_id, edit.file_id)))[0])
            await tx.batch([events.file_updated(file)])
            return file

        return await self._database.transact(user(edit.owner_id), work)


def _merged(file: File, edit: Edit) -> dict[str, str]:
    """The metadata after the edit: the user's part changes, the family's promised pairs stay."""
    promised = {name: text for name, text in file.metadata.items() if name in PROMISED}
    own = {} if edit.replace_metadata else {n: t for n, t in file.metadata.items() if n not in PROMISED}
    own |= {name: text for name, text in (edit.metadata or {}).items() if name not in PROMISED}
    for name in edit.remove_metadata:
        own.pop(name, None)
    if len(own) > MOST_METADATA:
        raise InvalidField(
            f"A file keeps {MOST_METADATA} pairs of metadata at most; this would make it {len(own)}.",
            field="metadata",
            rule="map.max_pairs",
        )
    return own | promised


def _details(file: File, edit: DetailEdit) -> Statement:
    if file.family != FILE_FAMILY_EVENT_MEDIA:
        raise InvalidField(
            f"Only event media has {edit.first}; use metadata for this file.", field=edit.first, rule="family"
        )
    return edit_details(file, edit)


def _required(filename: str) -> str:
    if not filename:
        raise InvalidField("The file name is empty without its folders.", field="filename", rule="not_empty")
    return filename
