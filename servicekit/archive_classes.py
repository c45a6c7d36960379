"""Lifecycle rules that move objects to cheaper storage classes (docs/retention.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from servicekit.settings import SettingError

#: Key prefixes by family. Generations have none: their keys begin with their owners.
PREFIXES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "files": ("uploads/", "documents/", "audio/"),
        "event_media": ("events/",),
        "profile_picture": ("users/",),
        "path": ("paths/",),
        "projects": ("projects/",),
        "all": ("",),
    }
)
#: The class of objects stored without naming one.
STANDARD: Final = "STANDARD"
#: S3 "Amazon S3 storage classes": objects in these have to be restored before they are read.
ARCHIVES: Final = ("GLACIER", "DEEP_ARCHIVE")
CLASSES: Final = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", *ARCHIVES)
MOST_DAYS: Final = 36600
#: S3 accepts no earlier transition to these.
_LEAST_DAYS: Final = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
_SETTING: Final = "STRONGROOM_S3_TRANSITIONS"


@dataclass(frozen=True, slots=True)
class Transition:
    """Objects below ``prefix`` are in ``storage_class`` from this age on."""

    prefix: str
    days: int
    storage_class: str


def transitions_of(text: str) -> tuple[Transition, ...]:
    """The transitions in a setting such as ``files=30:STANDARD_IA,files=180:GLACIER``. Raises
    SettingError.
    """
    found: dict[tuple[str, str], Transition] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        family, _, rule = (piece.strip() for piece in part.partition("="))
        days, _, storage_class = (piece.strip() for piece in rule.partition(":"))
        if family not in PREFIXES or storage_class not in CLASSES or not (days.isascii() and days.isdigit()):
            raise SettingError(
                _SETTING,
                f"has {part!r}; write FAMILY=DAYS:CLASS, of {', '.join(PREFIXES)} and {', '.join(CLASSES)}",
            )
        least = _LEAST_DAYS.get(storage_class, 1)
        if not least <= int(days) <= MOST_DAYS:
            raise SettingError(_SETTING, f"has {part!r}; S3 takes {least} to {MOST_DAYS} days for it")
        if (family + PREFIXES[family][0], storage_class) in found:
            raise SettingError(_SETTING, f"names {family} with {storage_class} twice")
        for prefix in PREFIXES[family]:
            found[family + prefix, storage_class] = Transition(prefix, int(days), storage_class)
    return tuple(found.values())
