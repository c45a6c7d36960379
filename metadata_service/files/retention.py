"""Retention and legal holds of files and projects, as stored in their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from metadata_service import audit
from metadata_service.db.database import SYSTEM, Scope, Statement, Transaction, user
from metadata_service.db.timestamps import from_proto, to_proto
from metadata_service.retention_rules import MOST_DAYS, RetentionRules
from servicekit.texts import refuse_nul
from strongroom.errors import InvalidField
from strongroom.metadata.v1.retention_pb2 import Hold, Retention, RetentionWish
from strongroom.metadata.v1.target_pb2 import UploadSpec

_COLUMN: Final = """
CASE WHEN num_nonnulls({table}.keep_until, {table}.held_at{more}) > 0 THEN
    json_build_array({table}.keep_until, {last}, {table}.held_at, {table}.held_by_admin, {table}.hold_reason)
END
"""
#: SQL: the argument of `to_retention` for a row of `files` and of `projects`.
OF_FILE: Final = _COLUMN.format(table="files", more=", files.delete_after", last="files.delete_after")
OF_PROJECT: Final = _COLUMN.format(table="projects", more="", last="NULL::timestamptz")
#: A condition: files that nobody may delete now. Triggers of the database enforce it (migration 0024).
HELD: Final = "(files.held_at IS NOT NULL OR coalesce(files.keep_until > now(), false))"
#: SQL: the argument of `retention_held` for such a file, as the triggers build it.
HELD_DETAIL: Final = """json_build_object('name', files.key, 'until', files.keep_until,
'hold', files.held_at IS NOT NULL, 'reason', files.hold_reason, 'by_admin', files.held_by_admin)::text"""


#: Names of these families by target in specs.
_TARGETS: Final = {
    "file": "files",
    "generation": "generations",
    "event_media": "event_media",
    "profile_picture": "profile_picture",
    "path": "path",
}


def stamp(spec: UploadSpec, rules: RetentionRules) -> None:
    """Write the settings' rule for the spec's family into `spec`, so that T4 needs no rules. Raises
    InvalidField.
    """
    family = _TARGETS.get(spec.target.WhichOneof("target") or "")
    if family is None:
        if spec.HasField("retention"):
            raise InvalidField(
                "Temporary files are deleted automatically: they can't be kept or held.",
                field="retention",
                rule="family",
            )
        return
    keep = rules.keep.get(family, 0.0)
    if keep > spec.retention.keep_for.seconds:
        spec.retention.keep_for.seconds = int(keep)


def to_retention(column: Sequence[object]) -> Retention:
    """The column's value as protobuf."""
    keep_until, delete_after, held_at, by_admin, reason = column
    retention = Retention()
    if isinstance(keep_until, str):
        retention.keep_until_time.CopyFrom(to_proto(datetime.fromisoformat(keep_until)))
    if isinstance(delete_after, str):
        retention.delete_after_time.CopyFrom(to_proto(datetime.fromisoformat(delete_after)))
    if isinstance(held_at, str):
        placed = to_proto(datetime.fromisoformat(held_at))
        retention.hold.CopyFrom(Hold(reason=str(reason), by_admin=bool(by_admin), place_time=placed))
    return retention


def wished(spec: UploadSpec, at: datetime) -> Retention | None:
    """The retention of an upload committed at `at`, the rule of its family included; None: none."""
    if not spec.HasField("retention"):
        return None
    wish, retention = spec.retention, Retention()
    until = [from_proto(wish.keep_until_time)] if wish.HasField("keep_until_time") else []
    if wish.HasField("keep_for"):
        until.append(at + _span(wish.keep_for))
    if until:
        retention.keep_until_time.CopyFrom(to_proto(max(until)))
    going = [from_proto(wish.delete_after_time)] if wish.HasField("delete_after_time") else []
    if wish.HasField("delete_after"):
        going.append(at + _span(wish.delete_after))
    if going:
        retention.delete_after_time.CopyFrom(to_proto(min(going)))
    if wish.hold_reason:
        by_admin = wish.hold_by != spec.user_id
        retention.hold.CopyFrom(Hold(reason=wish.hold_reason, by_admin=by_admin, place_time=to_proto(at)))
    return retention if until or going or wish.hold_reason else None


_LOCK_SEED: Final = 0x5376  # separates these locks from others in the database
_NAMED: Final = f"hashtextextended(%(owner)s, {_LOCK_SEED})"
_LOCK_HOLDS: Final = f"SELECT pg_advisory_xact_lock_shared({_NAMED})"
_LOCK_HOLDS_OUT: Final = f"SELECT pg_advisory_xact_lock({_NAMED})"

#: SQL: columns of `files` for a file committed now, and their values from the parameters of `wish_params`.
KEEP_COLUMNS: Final = "keep_until, delete_after, held_at, held_by_admin, hold_reason"
KEEP_UNTIL: Final = (
    "greatest(%(keep_until)s::timestamptz, now() + make_interval(secs => %(keep_for)s::float8))"
)
KEEP_VALUES: Final = f"""{KEEP_UNTIL},
    least(%(delete_after)s::timestamptz, now() + make_interval(secs => %(delete_for)s::float8)),
    CASE WHEN %(hold)s::text <> '' THEN now() END, %(held_by_admin)s::boolean, %(hold)s::text"""


#: For a project that may be on hold already: an existing hold stays.
HOLD_MORE: Final = """held_by_admin = CASE WHEN held_at IS NULL THEN %(held_by_admin)s ELSE held_by_admin END,
    hold_reason = CASE WHEN held_at IS NULL THEN %(hold)s ELSE hold_reason END,
    held_at = coalesce(held_at, CASE WHEN %(hold)s::text <> '' THEN now() END)"""


def settle_wish(wish: RetentionWish, asking: str, *, of_project: bool = False, of_drop: bool = False) -> None:
    """Validate a request for retention, and note who made it.

    `of_drop`: the owner made it when the drop was created, so times that have passed meanwhile are accepted.
    Raises InvalidField.
    """
    now = datetime.now(UTC)
    for name in ("keep_until_time", "delete_after_time"):
        if not wish.HasField(name):
            continue
        field = name.removesuffix("_time")
        moment = from_proto(getattr(wish, name))
        if of_drop and moment <= now:
            if name == "keep_until_time":
                wish.ClearField(name)
        elif not now < moment <= now + timedelta(days=MOST_DAYS):
            raise InvalidField(
                f"{field} is a time to come, within a hundred years.", field=field, rule="future"
            )
    if of_project and (wish.HasField("delete_after_time") or wish.HasField("delete_after")):
        raise InvalidField("A project doesn't go away by itself.", field="delete_after", rule="family")
    refuse_nul(wish, "retention")
    wish.hold_by = asking if wish.hold_reason else ""


def wish_params(wish: RetentionWish, owner_id: str) -> dict[str, object]:
    """Parameters: `keep_until`, `keep_for` (seconds), `delete_after`, `delete_for` (seconds), each possibly
    None; `hold`, the reason, and `held_by_admin`.
    """
    kept, going = wish.HasField("keep_until_time"), wish.HasField("delete_after_time")
    return {
        "keep_until": from_proto(wish.keep_until_time) if kept else None,
        "keep_for": _span(wish.keep_for).total_seconds() if wish.HasField("keep_for") else None,
        "delete_after": from_proto(wish.delete_after_time) if going else None,
        "delete_for": _span(wish.delete_after).total_seconds() if wish.HasField("delete_after") else None,
        "hold": wish.hold_reason,
        "held_by_admin": bool(wish.hold_reason) and wish.hold_by != owner_id,
    }


def holds_lock(owner_id: str) -> Statement:
    """The statement that keeps others from beginning to erase the owner until this transaction ends.

    Look at erasures and holds in later statements: a statement that waited for the lock still sees the tables
    as they were when it began.
    """
    return _LOCK_HOLDS, {"owner": owner_id}


async def lock_holds(tx: Transaction, owner_id: str) -> None:
    """Send `holds_lock`."""
    await tx.fetch(*holds_lock(owner_id))


async def lock_holds_out(tx: Transaction, owner_id: str) -> None:
    """The opposite lock: keeps others from beginning to keep or hold anything of the owner's."""
    await tx.fetch(_LOCK_HOLDS_OUT, {"owner": owner_id})


def keeps(wish: RetentionWish) -> bool:
    """Whether files stored with this wish survive an erasure of their owner."""
    return bool(wish.hold_reason) or wish.HasField("keep_until_time") or wish.HasField("keep_for")


async def note_hold(tx: Transaction, owner_id: str, wish: RetentionWish, details: dict[str, str]) -> None:
    """Write the audit log's entry for a hold that came with an upload or a save.

    The entry is written in the system's scope, the rest of the transaction in the owner's. Its later rows are
    refused while the owner is being erased. The lock is taken also if something is only kept: either the
    erasure sees it, or it is not stored.
    """
    if keeps(wish):
        await lock_holds(tx, owner_id)
    if not wish.hold_reason:
        return
    said = {**details, "by": "owner" if wish.hold_by == owner_id else "admin"}
    await tx.execute(*Scope(owner_id, SYSTEM.scope).statement())
    await audit.write(tx, audit.Act("place_hold", wish.hold_by, owner_id, said))
    await tx.execute(*user(owner_id).statement())


def _span(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)
