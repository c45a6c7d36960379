"""Looks for archived objects before the first byte of a ZIP is sent, because one would end the ZIP in the
middle.

A HEAD costs as much as reading a small object. So it is requested only for objects that may be archived: by
their age and those of the bucket's rules that this service knows, or because a reader has found them archived
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from servicekit.archive_classes import ARCHIVES, Transition
from storage_service.objectstore.errors import ARCHIVED_SECONDS, StoreError
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, Reachability
from storage_service.parallel import in_parallel
from storage_service.reading.archived import ArchivedObjects
from strongroom.errors import ObjectArchived
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile

MOST_LOOKED_AT: Final = 10_000
"""Objects of one ZIP, about a minute of HEADs. An archived object among the others ends the ZIP midway."""
TOLD: Final = 10


@dataclass(slots=True)
class Suspects:
    """The objects of one ZIP that may be archived."""

    looks: ArchiveLooks
    _found: list[tuple[str, ObjectRef]] = field(default_factory=list)

    def see(self, file: File | ProjectFile, called: str) -> None:
        """Add an object that goes into the ZIP. ``called``: its name in a refusal."""
        ref = ObjectRef(file.key, file.version_id or None)
        if len(self._found) < MOST_LOOKED_AT and self.looks.may_be_archived(ref, file):
            self._found.append((called, ref))

    async def refuse(self) -> None:
        """Raises ObjectArchived if any are archived, after requesting the restore of all of them."""
        archived = await self.looks.archived_of(self._found)
        if not archived:
            return
        told = ", ".join(archived[:TOLD])
        if len(archived) > TOLD:
            told += f" and {len(archived) - TOLD} more"
        raise ObjectArchived(
            f"{len(archived)} of these files, in an archive class of the store, are being brought back:"
            f" {told}. Ask again later, or read the others one by one.",
            retry_after=ARCHIVED_SECONDS,
        )


class ArchiveLooks:
    """Finds objects that may be archived. One instance per process.

    ``rules``: the bucket's lifecycle rules, which say which objects move when.
    """

    def __init__(
        self, store: ObjectStore, archived: ArchivedObjects, rules: Sequence[Transition] = ()
    ) -> None:
        self._store = store
        self._archived = archived
        self._rules = [rule for rule in rules if rule.storage_class in ARCHIVES]

    def suspects(self) -> Suspects:
        """Return an empty collection for one ZIP."""
        return Suspects(self)

    def may_be_archived(self, ref: ObjectRef, file: File | ProjectFile) -> bool:
        """Whether a rule applies to the object, or a reader has found it archived.

        S3 moves objects at the midnight after they have reached the age, or later.
        """
        if self._archived.was_asked_for(ref):
            return True
        days = (datetime.now(UTC) - file.create_time.ToDatetime(UTC)).days
        return any(days >= rule.days and ref.key.startswith(rule.prefix) for rule in self._rules)

    async def archived_of(self, suspects: Sequence[tuple[str, ObjectRef]]) -> list[str]:
        """Return the names of suspects that can't be read now, in order, and request their restore."""

        async def look(suspect: tuple[str, ObjectRef]) -> bool:
            ref = suspect[1]
            try:
                info = await self._store.head(ref)
            except StoreError:  # its reader gets the error
                return False
            if info.reachability is Reachability.READABLE:
                return False
            self._archived.ask_back(ref)
            return True

        seen = await in_parallel(suspects, look)
        return [name for (name, _), is_archived in zip(suspects, seen, strict=True) if is_archived]
