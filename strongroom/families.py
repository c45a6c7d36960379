"""Families by name, as answers, metrics and manifests write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.metadata.v1.file_pb2 import FileFamily

#: By number.
FAMILY_NAMES: Final[Mapping[int, str]] = {
    number: name.removeprefix("FILE_FAMILY_").lower() for name, number in FileFamily.items()
}
#: Of a newer release.
OTHER: Final = "other"


def family_name(family: int) -> str:
    """``file``, ``event_media``, …; ``unspecified`` for none, ``other`` for one of a newer release."""
    return FAMILY_NAMES.get(family, OTHER)
