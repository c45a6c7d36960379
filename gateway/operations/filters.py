"""Filters of lists: query parameters to ``FileFilter``, with the same names in all families."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http import fields
from gateway.http.exchange import Exchange
from gateway.http.shapes import read_time
from gateway.operations.docs import Schema, query
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import FileFilter

#: Parameters of ``file_filter``.
NAMES: Final = ("q", "created_after", "created_before", "size_min", "size_max")
#: Prefix of parameters that name a member of a generation's settings.
SETTINGS: Final = "settings."
MAX_SIZE: Final = 2**53

DOCS: Final[tuple[Schema, ...]] = (
    query(
        "q",
        "Up to 10 words. Each must occur in the name, path, prompt, title, description or"
        " tags, in any case, also inside other words. Text in double quotes counts as one"
        " word.",
        {"type": "string", "maxLength": 1024},
        "red fox",
    ),
    query(
        "created_after",
        "Created at or after this time (RFC 3339, or a day).",
        {"type": "string"},
        "2026-01-01",
    ),
    query(
        "created_before",
        "Created before this time (RFC 3339, or a day).",
        {"type": "string"},
        "2026-02-01T12:00:00Z",
    ),
    query("size_min", "Minimum size in bytes.", {"type": "integer", "minimum": 0}, 1024),
    query("size_max", "Maximum size in bytes.", {"type": "integer", "minimum": 0}, 1_048_576),
)
SETTINGS_DOC: Final = query(
    "settings.{name}",
    "Generations whose settings have this member with this value, as text:"
    " `settings.model=sdxl`, `settings.steps=30`. Any name is allowed after the dot.",
    {"type": "string"},
)


def file_filter(exchange: Exchange, *, content_type: str = "", settings: bool = False) -> FileFilter:
    """The filter of the query. ``settings``: also read ``settings.…``.

    :raises InvalidField: a parameter is malformed.
    """
    found = FileFilter(query=exchange.query("q") or "", content_type=content_type)
    for name, stamp in (("created_after", found.created_after), ("created_before", found.created_before)):
        text = exchange.query(name)
        if text:
            stamp.CopyFrom(_moment(name, text))
    for name, member in (("size_min", "min_size_bytes"), ("size_max", "max_size_bytes")):
        if exchange.query(name):
            size = fields.integer(exchange, name, default=0, minimum=0, maximum=MAX_SIZE)
            setattr(found, member, size)
    if settings:
        for name in exchange.query_names():
            if name.startswith(SETTINGS) and name != SETTINGS:
                found.settings[name.removeprefix(SETTINGS)] = exchange.query(name) or ""
    return found


def _moment(name: str, text: str) -> Timestamp:
    """RFC 3339, or a day, which begins at midnight UTC. A plus sign in the offset may have been decoded to a
    blank.
    """
    stamp = Timestamp()
    try:
        moment = read_time(text.strip().replace(" ", "+") if "T" in text.upper() else text.strip())
        stamp.FromDatetime(moment.astimezone(UTC) if moment.tzinfo else moment)
    except (ValueError, OverflowError):  # OverflowError: in UTC it is not in the years 1 to 9999
        raise InvalidField(
            f"{name} must be a time like 2026-01-02T03:04:05Z, or a day like 2026-01-02.",
            field=name,
            rule="timestamp",
        ) from None
    return stamp
