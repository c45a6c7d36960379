"""Names of families in answers, metrics and manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from strongroom.metadata.v1.file_pb2 import FileFamily

#: By FileFamily number.
FAMILY_NAMES: Final[Mapping[int, str]] = {
    number: name.removeprefix("FILE_FAMILY_").lower() for name, number in FileFamily.items()
}
#: A family that only a newer release knows.
OTHER: Final = "other"


def family_name(family: int) -> str:
    """Return ``file``, ``event_media``, …; ``unspecified`` for none, ``other`` for one of a newer release."""
    return FAMILY_NAMES.get(family, OTHER)
