"""How events tell a family: by the name that callers write."""

from __future__ import annotations

from typing import Final

from strongroom.metadata.v1.file_pb2 import FileFamily

_NAMES: Final[dict[int, str]] = {
    number: name.removeprefix("FILE_FAMILY_").lower() for name, number in FileFamily.items()
}


def family_name(number: int) -> str:
    """``file``, ``event_media``, …; ``unspecified`` for a number of no family."""
    return _NAMES.get(number, "unspecified")
