"""How long a file or project stays, as its row has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from metadata_service.db.timestamps import from_proto, to_proto
from strongroom.metadata.v1.retention_pb2 import Hold, Retention
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
        until.append(at + timedelta(seconds=wish.keep_for.seconds, microseconds=wish.keep_for.nanos // 1000))
    if until:
        retention.keep_until_time.CopyFrom(to_proto(max(until)))
    if wish.HasField("delete_after_time"):
        retention.delete_after_time.CopyFrom(wish.delete_after_time)
    return retention if until or wish.HasField("delete_after_time") else None


#: SQL: `files.keep_until` of a file that is committed now, of `wish_params`.
KEEP_UNTIL: Final = (
    "greatest(%(keep_until)s::timestamptz, now() + make_interval(secs => %(keep_for)s::float8))"
)


def wish_params(spec: UploadSpec) -> dict[str, object]:
    """`keep_until`, `keep_for` (seconds) and `delete_after`, each of which may be None."""
    wish = spec.retention
    kept, going = wish.HasField("keep_until_time"), wish.HasField("delete_after_time")
    seconds = wish.keep_for.seconds + wish.keep_for.nanos / 1e9 if wish.HasField("keep_for") else None
    return {
        "keep_until": from_proto(wish.keep_until_time) if kept else None,
        "keep_for": seconds,
        "delete_after": from_proto(wish.delete_after_time) if going else None,
    }
