"""Families by name, as answers, metrics and manifests write them."""

from __future__ import annotations

from strongroom.metadata.v1.file_pb2 import FileFamily

_PREFIX = "FILE_FAMILY_"


def family_name(family: int) -> str:
    """``file``, ``event_media``, …; ``unspecified`` for none, ``other`` for one of a newer release."""
    try:
        name = FileFamily.Name(FileFamily.ValueType(family))
    except ValueError:
        return "other"
    return name.removeprefix(_PREFIX).lower()
