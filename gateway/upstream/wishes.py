"""Parsing of requested retention and storage class: the same fields in forms, ``Upload-Metadata``, targets of
direct uploads, and queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from gateway.http.shapes import read_time
from strongroom.errors import InvalidField
from strongroom.metadata.v1.retention_pb2 import RetentionWish

#: A hundred years.
MOST_SECONDS: Final = 3_162_240_000
MOST_REASON: Final = 255
NAMES: Final = frozenset(
    {"keep_until", "keep_for_seconds", "delete_after", "delete_after_seconds", "hold_reason"}
)
STORAGE_CLASS: Final = "storage_class"
_CLASS: Final = re.compile(r"[A-Z_]{0,32}")


def retention_of(fields: Mapping[str, Any]) -> RetentionWish | None:
    """The requested retention; None: none. Empty fields, which forms send, count as absent.

    :raises InvalidField: a field breaks its rule.
    """
    if NAMES.isdisjoint(fields):
        return None
    wish = RetentionWish()
    if moment := _moment(fields, "keep_until"):
        wish.keep_until_time.FromDatetime(moment)
    if moment := _moment(fields, "delete_after"):
        wish.delete_after_time.FromDatetime(moment)
    if seconds := _seconds(fields, "keep_for_seconds"):
        wish.keep_for.CopyFrom(Duration(seconds=seconds))
    if seconds := _seconds(fields, "delete_after_seconds"):
        wish.delete_after.CopyFrom(Duration(seconds=seconds))
    reason = fields.get("hold_reason") or ""
    if len(reason) > MOST_REASON:
        raise InvalidField(
            f"hold_reason has at most {MOST_REASON} characters.", field="hold_reason", rule="max_len"
        )
    wish.hold_reason = reason.strip()
    return wish if wish.ByteSize() else None


def storage_class_of(fields: Mapping[str, Any]) -> str:
    """The requested storage class; empty: the installation's. metadata_service checks which ones are allowed.

    :raises InvalidField: it can't be the name of a storage class.
    """
    name = str(fields.get(STORAGE_CLASS) or "").strip().upper()
    if not _CLASS.fullmatch(name):
        raise InvalidField(
            "storage_class is S3's name of one, such as STANDARD_IA.", field=STORAGE_CLASS, rule="pattern"
        )
    return name


def _moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    given = fields.get(name) or None
    if given is None or isinstance(given, datetime):
        return given
    try:
        moment = read_time(given)
        if moment.tzinfo is None:
            raise ValueError  # noqa: TRY301 - told with the others
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidField(
            f"{name} must be a time with its offset (RFC 3339), such as 2033-01-02T03:04:05Z.",
            field=name,
            rule="timestamp",
        ) from None


def _seconds(fields: Mapping[str, Any], name: str) -> int:
    text = str(fields.get(name) or "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MOST_SECONDS):
        raise InvalidField(
            f"{name} must be a whole number from 1 to {MOST_SECONDS}.", field=name, rule="range"
        )
    return int(text)
