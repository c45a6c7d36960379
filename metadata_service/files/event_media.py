"""Queries and edits of event media, and the profile picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.files import events
from metadata_service.files.deletion import not_found
from metadata_service.files.families import PROFILE_SLOT
from metadata_service.files.filters import Filter, add_type
from metadata_service.files.newest_first import Detail, NewestFirst, PageRequest
from metadata_service.files.preconditions import check_generation
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import File

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 100

_ONE: Final = f"""
SELECT {COLUMNS} FROM event_media AS detail
JOIN files ON files.owner_id = detail.owner_id AND files.id = detail.file_id
WHERE detail.owner_id = %(owner)s AND detail.file_id = %(id)s AND detail.event_id = %(event)s AND {VISIBLE}
"""
_PROFILE: Final = f"SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND slot = %(slot)s AND {VISIBLE}"
#: Fields that are not named keep the row's current value: the details were read before the file's lock was
#: granted.
_EDIT: Final = """
UPDATE event_media SET title = coalesce(%(title)s, title),
    description = coalesce(%(description)s, description), tags = coalesce(%(tags)s::text[], tags)
WHERE owner_id = %(owner)s AND file_id = %(id)s
"""
_TOUCH: Final = """
UPDATE files SET generation = generation + 1, updated_at = now() WHERE owner_id = %(owner)s AND id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class MediaFilter:
    """``content_type``: exact, or a wildcard (``image/*``). Empty texts match all."""

    owner_id: str
    event_id: UUID
    content_type: str = ""
    tag: str = ""
    filter: Filter = field(default_factory=Filter)

    def detail(self) -> Detail:
        """The conditions for a page."""
        conditions = ["detail.event_id = %(event)s"]
        params: dict[str, object] = {"event": self.event_id}
        add_type(self.content_type, conditions, params)
        if self.tag:
            conditions.append("detail.tags @> ARRAY[%(tag)s::text]")
            params["tag"] = self.tag
        return Detail("event_media", self.owner_id, tuple(conditions), params)


@dataclass(frozen=True, slots=True)
class DetailEdit:
    """Changes to the details of event media; None: unchanged."""

    title: str | None = None
    description: str | None = None
    tags: Sequence[str] | None = None

    @property
    def first(self) -> str:
        """The name of the first field to change; empty: none."""
        named = (("title", self.title), ("description", self.description), ("tags", self.tags))
        return next((name for name, value in named if value is not None), "")


@dataclass(frozen=True, slots=True)
class MediaEdit:
    """An edit of one file of event media."""

    owner_id: str
    event_id: UUID
    file_id: UUID
    details: DetailEdit
    if_generation_match: int | None = None


class EventMedia:
    """Reads and edits event media."""

    def __init__(self, database: Database, pages: NewestFirst) -> None:
        self._database = database
        self._pages = pages

    async def by_id(self, owner_id: str, event_id: UUID, file_id: UUID) -> File:
        """One file of event media. Raises FileNotFound, also if it belongs to another event."""
        params = {"owner": owner_id, "event": event_id, "id": file_id}
        rows = await self._database.read(user(owner_id), _ONE, params)
        if not rows:
            raise not_found()
        return to_file(rows[0])

    async def profile_picture(self, owner_id: str) -> File:
        """The owner's profile picture. Raises FileNotFound."""
        rows = await self._database.read(user(owner_id), _PROFILE, {"owner": owner_id, "slot": PROFILE_SLOT})
        if not rows:
            raise not_found()
        return to_file(rows[0])

    async def page(self, wanted: MediaFilter, request: PageRequest) -> tuple[list[File], int, str]:
        """A page, the exact total of matching files (with a filter: see ``NewestFirst.filtered``), and the
        next page's token.
        """
        detail = wanted.detail()
        if not wanted.filter.is_empty:
            return await self._pages.filtered(detail, request, wanted.filter)
        files, token = await self._pages.page(detail, request)
        return files, await self._pages.count(detail), token

    async def update(self, edit: MediaEdit) -> File:
        """Edit a file's details. Returns it at its next generation. Raises FileNotFound, PreconditionFailed,
        InvalidField.
        """

        async def work(tx: Transaction) -> File:
            params: dict[str, object] = {"owner": edit.owner_id, "event": edit.event_id, "id": edit.file_id}
            row = await tx.fetch_one(f"{_ONE} FOR UPDATE OF files", params)
            if row is None:
                raise not_found()
            file = to_file(row)
            if edit.if_generation_match is not None:
                check_generation(edit.if_generation_match, file.generation)
            await tx.batch([edit_details(file, edit.details), (_TOUCH, params)])
            changed = await tx.fetch(_ONE, params)
            file = to_file(changed[0])
            await tx.batch([events.file_updated(file)])
            return file

        return await self._database.transact(user(edit.owner_id), work)


def edit_details(file: File, edit: DetailEdit) -> Statement:
    """The statement that changes the details. Raises InvalidField for a repeated tag."""
    tags = None if edit.tags is None else list(edit.tags)
    if tags is not None and len(set(tags)) != len(tags):
        raise InvalidField("a tag appears twice in the list", field="tags", rule="unique")
    return _EDIT, {
        "owner": file.owner_id,
        "id": UUID(file.id),
        "title": edit.title,
        "description": edit.description,
        "tags": tags,
    }
