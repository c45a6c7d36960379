"""All INSERTs into `blobs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from metadata_service.blobs.states import ABORTING, GONE, LEFTOVERS, PENDING, SINGLE

#: Columns of a row that is no attempt: no file, and nothing reserved.
_NO_FILE: Final = {"content_type": "''", "spec": "''", "reserved_bytes": "0", "reserved_files": "0"}


def pending(columns: Mapping[str, str]) -> str:
    """The INSERT of T1, → PENDING at epoch 1.

    `columns`: SQL expressions by column. A FROM clause may follow, for one row each. Each row needs a lease
    of its own (`lease_expires_at`) or lives as long as a save (`save_id`).
    """
    return _insert(PENDING, columns)


def to_be_emptied(prefix: str, owner: str) -> str:
    """The INSERT → ABORTING of a key prefix whose objects the cleaner removes; it is no attempt.

    `prefix`, `owner`: SQL expressions over the FROM clause that follows.
    """
    place = {"owner_id": owner, "id": "gen_random_uuid()", "kind": str(SINGLE), "key": prefix}
    return _insert(
        ABORTING, place | _NO_FILE | {"key_shared": "false", "object_metadata": "'{}'", "not_before": "now()"}
    )


def leftovers(since: str) -> str:
    """The INSERT → GONE of kind LEFTOVERS, for each row of `blobs` in the FROM clause that follows.

    The cleaner checks the row's key `grace` seconds (a parameter) after `since`, an SQL expression.
    """
    same = ("owner_id", "key", "version_id", "upload_id", "object_metadata", "traceparent")
    return _insert(
        GONE,
        {column: f"blobs.{column}" for column in same}
        | _NO_FILE
        | {
            "id": "gen_random_uuid()",
            "kind": str(LEFTOVERS),
            "key_shared": "true",
            "not_before": f"{since} + make_interval(secs => %(grace)s)",
        },
    )


def _insert(state: int, columns: Mapping[str, str]) -> str:
    names = ", ".join(("state", "epoch", *columns))
    values = ",\n    ".join((f"{state}", "1", *columns.values()))
    return f"INSERT INTO blobs ({names})\nSELECT {values}\n"
