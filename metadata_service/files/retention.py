"""How long a file or project stays, as its row has it."""

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
#: What `to_retention` takes, of a row of `files` and of `projects`.
OF_FILE: Final = _COLUMN.format(table="files", more=", files.delete_after", last="files.delete_after")
OF_PROJECT: Final = _COLUMN.format(table="projects", more="", last="NULL::timestamptz")
#: Files that nobody deletes now; triggers of the database see to it (migration 0024).
HELD: Final = "(files.held_at IS NOT NULL OR coalesce(files.keep_until > now(), false))"
#: What `retention_held` takes of such a file, as the triggers say it.
HELD_DETAIL: Final = """json_build_object('name', files.key, 'until', files.keep_until,
'hold', files.held_at IS NOT NULL, 'reason', files.hold_reason, 'by_admin', files.held_by_admin)::text"""


#: How specs name the targets of these families.
_TARGETS: Final = {
    "file": "files",
    "generation": "generations",
    "event_media": "event_media",
    "profile_picture": "profile_picture",
    "path": "path",
}


def stamp(spec: UploadSpec, rules: RetentionRules) -> None:
    """Has `spec` say what the settings ask of its family, so that T4 needs no rule. Raises InvalidField."""
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
    """What the column holds."""
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
    """What an upload that is committed `at` has asked for, with the rule of its family; None: nothing."""
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


_LOCK_SEED: Final = 0x5376  # keeps these locks apart from others in the database
_NAMED: Final = f"hashtextextended(%(owner)s, {_LOCK_SEED})"
_LOCK_HOLDS: Final = f"SELECT pg_advisory_xact_lock_shared({_NAMED})"
_LOCK_HOLDS_OUT: Final = f"SELECT pg_advisory_xact_lock({_NAMED})"

#: SQL: columns of `files` for one that is committed now, and their values, of `wish_params`.
KEEP_COLUMNS: Final = "keep_until, delete_after, held_at, held_by_admin, hold_reason"
KEEP_UNTIL: Final = (
    "greatest(%(keep_until)s::timestamptz, now() + make_interval(secs => %(keep_for)s::float8))"
)
KEEP_VALUES: Final = f"""{KEEP_UNTIL},
    least(%(delete_after)s::timestamptz, now() + make_interval(secs => %(delete_for)s::float8)),
    CASE WHEN %(hold)s::text <> '' THEN now() END, %(held_by_admin)s::boolean, %(hold)s::text"""


#: Of a project that may be held already: the hold that is there stays.
HOLD_MORE: Final = """held_by_admin = CASE WHEN held_at IS NULL THEN %(held_by_admin)s ELSE held_by_admin END,
    hold_reason = CASE WHEN held_at IS NULL THEN %(hold)s ELSE hold_reason END,
    held_at = coalesce(held_at, CASE WHEN %(hold)s::text <> '' THEN now() END)"""


def settle_wish(wish: RetentionWish, asking: str, *, of_project: bool = False, of_drop: bool = False) -> None:
    """Checks what was asked for, and notes who did. `of_drop`: its owner asked when the drop was made, and
    what is over by now is passed over. Raises InvalidField.
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
    """`keep_until`, `keep_for` (seconds), `delete_after`, `delete_for` (seconds), each of which may be None;
    `hold`, its reason, and `held_by_admin`.
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
    """Nobody begins to erase the owner before this transaction has ended. Statements of their own look at
    what is erased or held then: one that has waited goes on seeing tables as they were when it began.
    """
    return _LOCK_HOLDS, {"owner": owner_id}


async def lock_holds(tx: Transaction, owner_id: str) -> None:
    """Sends `holds_lock`."""
    await tx.fetch(*holds_lock(owner_id))


async def lock_holds_out(tx: Transaction, owner_id: str) -> None:
    """The other way round: nobody begins to keep or hold anything of the owner's."""
    await tx.fetch(_LOCK_HOLDS_OUT, {"owner": owner_id})


def keeps(wish: RetentionWish) -> bool:
    """Whether what is stored with it stands against an erasure."""
    return bool(wish.hold_reason) or wish.HasField("keep_until_time") or wish.HasField("keep_for")


async def note_hold(tx: Transaction, owner_id: str, wish: RetentionWish, details: dict[str, str]) -> None:
    """The list of acts says that a hold came with an upload or a save. It is the system's; the rest of the
    transaction is its owner's, and adds rows after this, which is refused while the owner is being erased:
    also where something is only kept, so that who begins to erase sees it, or it is not stored.
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
