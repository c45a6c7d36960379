"""Sets retention, and places and lifts legal holds. All holds and all changes by admins are recorded.

Triggers of the database (migration 0024) protect what is kept or held, so that no code path can forget it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from metadata_service import audit
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.db.errors import being_erased
from metadata_service.db.timestamps import from_proto
from metadata_service.files.retention import lock_holds
from metadata_service.retaining.subjects import Locked, Subject, lock, tell
from metadata_service.retention_rules import MOST_DAYS
from strongroom.errors import InvalidField, PermissionDenied
from strongroom.metadata.v1.retention_pb2 import Retention

_HOLD: Final = (
    """held_at = coalesce(held_at, now()), held_by_admin = %(by_admin)s, hold_reason = %(reason)s"""
)
_ERASED: Final = "SELECT 1 FROM erasures WHERE owner_id = %(owner)s"
_LIFT: Final = "held_at = NULL, held_by_admin = false, hold_reason = ''"


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller."""

    subject: str
    is_admin: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Changes; None: unchanged. `clear_keep` and `clear_delete` remove the time."""

    keep_until: datetime | None = None
    clear_keep: bool = False
    delete_after: datetime | None = None
    clear_delete: bool = False


class Retainer:
    """One instance per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, subject: Subject, wanted: Wanted, actor: Actor) -> Retention:
        """Set the retention.

        Raises FileNotFound, ProjectNotFound, InvalidField, PermissionDenied, UserBeingErased.
        """

        async def work(tx: Transaction) -> Retention:
            await _refuse_erased(tx, subject.owner_id)
            found = await lock(tx, subject)
            _refuse_temporary(found.temporary)
            _check(subject, wanted, found.now)
            _check_shortening(found.holds, wanted, actor, found.now)
            if wanted.keep_until is not None:
                _refuse_in_trash(found, actor)
            await tx.batch([subject.set(*_changes(wanted))])
            if actor.is_admin:
                details = {**subject.details, **_said(wanted)}
                await _write(tx, "set_retention", subject, actor, details)
            return await tell(tx, subject)

        return await self._database.transact(SYSTEM, work)

    async def place_hold(self, subject: Subject, reason: str, actor: Actor) -> Retention:
        """Place a hold. Raises FileNotFound, ProjectNotFound, InvalidField, PermissionDenied,
        UserBeingErased.
        """

        async def work(tx: Transaction) -> Retention:
            await _refuse_erased(tx, subject.owner_id)
            found = await lock(tx, subject)
            _refuse_temporary(found.temporary)
            _check_hold(found.holds, actor)
            if not found.holds.HasField("hold"):
                _refuse_in_trash(found, actor)
            by_admin = (actor.is_admin and actor.subject != subject.owner_id) or found.holds.hold.by_admin
            await tx.batch([subject.set(_HOLD, {"by_admin": by_admin, "reason": reason})])
            await _write(tx, "place_hold", subject, actor, subject.details)
            return await tell(tx, subject)

        return await self._database.transact(SYSTEM, work)

    async def lift_hold(self, subject: Subject, actor: Actor) -> Retention:
        """Lift a hold. Raises FileNotFound, ProjectNotFound, PermissionDenied."""

        async def work(tx: Transaction) -> Retention:
            now_holds = (await lock(tx, subject)).holds
            if not now_holds.HasField("hold"):
                return now_holds
            _check_hold(now_holds, actor)
            await tx.batch([subject.set(_LIFT, {})])
            await _write(tx, "lift_hold", subject, actor, subject.details)
            return await tell(tx, subject)

        return await self._database.transact(SYSTEM, work)


async def _refuse_erased(tx: Transaction, owner_id: str) -> None:
    """Refuse while the owner is being erased: the erasure was allowed before, so a hold would protect
    nothing.
    """
    await lock_holds(tx, owner_id)
    if await tx.fetch_one(_ERASED, {"owner": owner_id}) is not None:
        raise being_erased()


async def _write(tx: Transaction, act: str, subject: Subject, actor: Actor, details: dict[str, str]) -> None:
    said = {**details, "by": "admin" if actor.is_admin else "owner"}
    await audit.write(tx, audit.Act(act, actor.subject, subject.owner_id, said, request_id=actor.request_id))


def _refuse_temporary(temporary: bool) -> None:
    if temporary:
        raise InvalidField(
            "Temporary files are deleted automatically; copy it to another family to keep it.",
            field="file_id",
            rule="family",
        )


def _refuse_in_trash(found: Locked, actor: Actor) -> None:
    """Refuse for a file in the trash. These don't count for the quota, so they have to go after a while.
    Raises InvalidField.
    """
    if found.in_trash and not actor.is_admin:
        raise InvalidField(
            "It is in the trash, where only an admin protects it; restore it first.",
            field="file_id",
            rule="trash",
        )


def _check(subject: Subject, wanted: Wanted, now: datetime) -> None:
    """Check that times are in the future, and each is either set or cleared. Raises InvalidField."""
    for field, moment, cleared in (
        ("keep_until", wanted.keep_until, wanted.clear_keep),
        ("delete_after", wanted.delete_after, wanted.clear_delete),
    ):
        if moment is None:
            continue
        if cleared:
            raise InvalidField(f"Set {field} or clear it, not both.", field=field, rule="one_of")
        if not now < moment <= now + timedelta(days=MOST_DAYS):
            raise InvalidField(
                f"{field} is a time to come, within a hundred years.", field=field, rule="future"
            )
    if subject.file_id is None and (wanted.delete_after is not None or wanted.clear_delete):
        raise InvalidField("A project doesn't go away by itself.", field="delete_after", rule="family")
    if wanted == Wanted():
        raise InvalidField("Name something to change.", field="keep_until", rule="required")


def _check_shortening(now_holds: Retention, wanted: Wanted, actor: Actor, now: datetime) -> None:
    """Check that only an admin shortens a retention. Raises PermissionDenied."""
    if actor.is_admin or not now_holds.HasField("keep_until_time"):
        return
    until = from_proto(now_holds.keep_until_time)
    shortened = wanted.clear_keep or (wanted.keep_until is not None and wanted.keep_until < until)
    if shortened and until > now:
        raise PermissionDenied(
            f"It is kept until {until.isoformat(timespec='seconds')}: you may extend that, and only an admin"
            " may shorten it."
        )


def _check_hold(now_holds: Retention, actor: Actor) -> None:
    """Check that only an admin changes an admin's hold. Raises PermissionDenied."""
    if now_holds.hold.by_admin and not actor.is_admin:
        raise PermissionDenied("An admin has placed this hold; only an admin may change or lift it.")


def _changes(wanted: Wanted) -> tuple[str, dict[str, object]]:
    changes: list[str] = []
    params: dict[str, object] = {}
    if wanted.keep_until is not None or wanted.clear_keep:
        changes.append("keep_until = %(keep_until)s")
        params["keep_until"] = wanted.keep_until
    if wanted.delete_after is not None or wanted.clear_delete:
        changes.append("delete_after = %(delete_after)s")
        params["delete_after"] = wanted.delete_after
    return ", ".join(changes), params


def _said(wanted: Wanted) -> dict[str, str]:
    said = {}
    if wanted.keep_until is not None or wanted.clear_keep:
        said["keep_until"] = wanted.keep_until.isoformat() if wanted.keep_until else ""
    if wanted.delete_after is not None or wanted.clear_delete:
        said["delete_after"] = wanted.delete_after.isoformat() if wanted.delete_after else ""
    return said
