"""Rules of retention by file family, from the settings (docs/retention.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from servicekit.settings import SettingError
from strongroom.metadata.v1 import file_pb2

DAY: Final = 86400.0
#: A hundred years: a larger value is a typing error.
MOST_DAYS: Final = 36600.0
PROJECTS: Final = "projects"
#: Names as in REST. Temporary files have their own lifetime.
FAMILIES: Final[Mapping[str, file_pb2.FileFamily.ValueType]] = MappingProxyType(
    {
        "files": file_pb2.FILE_FAMILY_FILE,
        "generations": file_pb2.FILE_FAMILY_GENERATION,
        "event_media": file_pb2.FILE_FAMILY_EVENT_MEDIA,
        "profile_picture": file_pb2.FILE_FAMILY_PROFILE_PICTURE,
        "path": file_pb2.FILE_FAMILY_PATH,
    }
)


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """Seconds by family.

    `keep`: nobody can delete a file for this long after its commit; for `projects`, after the last save.
    `delete_after`: it is deleted automatically this long after it was created.
    """

    keep: Mapping[str, float] = field(default_factory=dict)
    delete_after: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionRule:
    """`last`: how many of the newest versions stay, 0: all. `daily_days`: for how many days the last version
    of each day (UTC) stays.
    """

    last: int = 0
    daily_days: int = 0


def days_by_family(name: str, text: str, *, projects: bool) -> dict[str, float]:
    """Seconds by family in a setting such as `generations=90,event_media=365`. Raises SettingError."""
    found: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        family, equals, days = (piece.strip() for piece in part.partition("="))
        known = [*FAMILIES, *([PROJECTS] if projects else [])]
        if not equals or family not in known:
            raise SettingError(name, f"has {part!r}; write FAMILY=DAYS, of {', '.join(known)}")
        try:
            number = float(days)
        except ValueError:
            number = -1.0
        if not 0 < number <= MOST_DAYS:
            raise SettingError(name, f"has {part!r}; the days are a number above 0, up to {MOST_DAYS:.0f}")
        if family in found:
            raise SettingError(name, f"names {family} twice")
        found[family] = number * DAY
    return found
