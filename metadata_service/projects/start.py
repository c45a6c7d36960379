"""BeginSave: locks the project's row; a project has one save in progress."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from metadata_service import idempotency
from metadata_service.config import Timing
from metadata_service.db.database import Database, Transaction, user
from metadata_service.files.retention import settle_wish
from metadata_service.files.specs import check_class
from metadata_service.projects.endings import give_up
from metadata_service.projects.rows import project_not_found, save_in_progress
from servicekit import failpoints
from strongroom.errors import InvalidField, VersionConflict
from strongroom.metadata.v1.project_save_service_pb2 import (
    BeginSaveRequest,
    BeginSaveResponse,
    CommitSaveResponse,
)

BEFORE_COMMIT: Final = failpoints.register("metadata.project.begin.before_commit")
AFTER_COMMIT: Final = failpoints.register("metadata.project.begin.after_commit")

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}\Z")
_MAKE: Final = """
INSERT INTO projects (owner_id, id, slug, name) VALUES (%(owner)s, %(project)s, %(slug)s, %(name)s)
ON CONFLICT (owner_id, slug) DO NOTHING
"""
_LOCK: Final = "SELECT id, version FROM projects WHERE owner_id = %(owner)s AND slug = %(slug)s FOR UPDATE"
_UNDER_WAY: Final = """
SELECT id, lease_expires_at > now() FROM project_saves
WHERE owner_id = %(owner)s AND project_id = %(project)s FOR UPDATE
"""
_BEGIN: Final = """
INSERT INTO project_saves (owner_id, id, project_id, name, base_version, request_id, retention,
    lease_expires_at)
VALUES (%(owner)s, %(save)s, %(project)s, %(name)s, %(version)s, %(request_id)s, %(retention)s,
    now() + make_interval(secs => %(lease)s))
"""


@dataclass(frozen=True, slots=True)
class _Base:
    """The project that a save builds on, its row locked. `version` 0: there is none yet."""

    project_id: UUID
    version: int


class SaveStarter:
    """Begins saves."""

    def __init__(self, database: Database, timing: Timing, classes: frozenset[str] = frozenset()) -> None:
        self._database = database
        self._timing = timing
        self._classes = classes

    async def begin(self, owner_id: str, request: BeginSaveRequest, *, asking: str = "") -> BeginSaveResponse:
        """A new save with a lease, or the answer of an earlier one with this request id.

        :param asking: `sub` of the caller, if that is not the owner.

        Raises RequestInProgress (with retry_after), VersionConflict {expected, actual}, IdempotencyKeyReused,
        ProjectNotFound (must_exist), InvalidField.
        """
        if not _SLUG.match(request.slug):
            raise InvalidField(
                "A slug is 1 to 128 of a-z, 0-9, _ and -, and begins with a letter or digit.",
                field="slug",
                rule="pattern",
            )
        if "\0" in request.name:
            raise InvalidField(
                "The name holds a NUL character; remove it.", field="name", rule="string.no_nul"
            )
        save_id = uuid4()
        response = await self._database.transact(
            user(owner_id),
            lambda tx: self._in_transaction(tx, owner_id, save_id, request, asking or owner_id),
        )
        await failpoints.hit(AFTER_COMMIT)
        return response

    async def _in_transaction(
        self, tx: Transaction, owner_id: str, save_id: UUID, request: BeginSaveRequest, asking: str
    ) -> BeginSaveResponse:
        keep = self._timing.idempotency
        wanted = idempotency.Request(
            owner_id, request.request_id, request.fingerprint, save_id, keep, is_save=True
        )
        earlier = await idempotency.begin_save(tx, wanted, save_in_progress)
        if earlier is not None:
            return BeginSaveResponse(replay=CommitSaveResponse.FromString(earlier), owner_id=owner_id)
        if request.HasField("retention"):
            settle_wish(request.retention, asking, of_project=True)
        check_class(request.storage_class, self._classes)
        base = await self._lock_project(tx, owner_id, request)
        if request.must_exist and not base.version:
            raise project_not_found()
        if request.HasField("expected_version"):
            check_version(request.expected_version, base.version)
        await tx.execute(
            _BEGIN,
            {
                "owner": owner_id,
                "save": save_id,
                "project": base.project_id,
                "name": request.name,
                "version": base.version,
                "request_id": request.request_id,
                "retention": request.retention.SerializeToString() or None,
                "lease": self._timing.lease,
            },
        )
        await failpoints.hit(BEFORE_COMMIT)
        return BeginSaveResponse(save_id=str(save_id), owner_id=owner_id, base_version=base.version)

    async def _lock_project(self, tx: Transaction, owner_id: str, request: BeginSaveRequest) -> _Base:
        """Lock the project's row, or create it, with no save in progress. Raises RequestInProgress."""
        params: dict[str, object] = {"owner": owner_id, "slug": request.slug}
        for _ in range(2):
            await tx.execute(_MAKE, params | {"project": uuid4(), "name": request.name or request.slug})
            row = await tx.fetch_one(_LOCK, params)
            if row is None:  # deleted between the two statements
                raise save_in_progress()
            base = _Base(*row)
            under_way = await tx.fetch_one(_UNDER_WAY, params | {"project": base.project_id})
            if under_way is None:
                return base
            save_id, alive = under_way
            if alive:
                raise save_in_progress()
            await give_up(tx, owner_id, request.slug, base.project_id, save_id)  # may delete the row
        raise save_in_progress()


def check_version(expected: int, actual: int) -> None:
    """Check that the project is at the version that the caller knows. Raises VersionConflict."""
    if expected == actual:
        return
    if expected == 0:
        text = f"The project exists already, at version {actual}; read it before you save over it."
    elif actual == 0:
        text = "There is no such project any more, and the save expects one."
    else:
        text = f"The project is at version {actual} and not at {expected}; read it again."
    raise VersionConflict(text, metadata={"expected": str(expected), "actual": str(actual)})
