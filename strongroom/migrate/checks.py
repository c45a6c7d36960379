"""Checks entries against the services' rules, as far as that is possible without their bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from strongroom.client.uploads import UploadLimit
from strongroom.errors import InvalidField, PathInvalid
from strongroom.migrate.entries import FAMILIES, GENERATION_KINDS, KEYS, Entry
from strongroom.path_rules import clean_filename, normal_path
from strongroom.subjects import key_segment, wrong_subject
from strongroom.type_names import GENERIC, by_extension, normalise

MAX_KEY_BYTES: Final = 1024
MAX_TYPE_BYTES: Final = 255
MAX_SETTINGS_BYTES: Final = 64 * 1024
_MOST: Final = {"prompt": 32_768, "title": 255, "description": 4096}
_MOST_TAGS, _MOST_TAG, _MOST_CLASS = 32, 64, 128
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")


def why_not(entry: Entry, limits: Mapping[str, UploadLimit]) -> str:
    """Return the first rule that the entry breaks, in words; empty if it breaks none."""
    if entry.why:
        return entry.why
    if entry.family not in FAMILIES:
        return f"{entry.family or 'nothing'} is not a family; choose one of {', '.join(FAMILIES)}"
    return (
        _owner(entry.owner)
        or _key(entry)
        or _name(entry)
        or _type(entry, limits)
        or _size(entry, limits)
        or _details(entry)
    )


def _owner(owner: str) -> str:
    if not owner:
        return "it names no owner"
    wrong = wrong_subject(owner)
    return f"the owner's name {wrong}" if wrong else ""


def _key(entry: Entry) -> str:
    if entry.family not in KEYS:
        return ""
    if not entry.key:
        return f"its key is missing: {KEYS[entry.family]}"
    if entry.family == "path":
        return _path(entry)
    fits, rule = _RULES[entry.family]
    return "" if fits(entry.key) else f"{_shown(entry.key)} is {rule}"


def _path(entry: Entry) -> str:
    try:
        path = normal_path(entry.key)
    except PathInvalid as error:
        return error.message
    except UnicodeEncodeError:
        return "the path is not valid Unicode"
    whole = f"paths/{key_segment(entry.owner)}/{path}"
    if len(whole.encode()) > MAX_KEY_BYTES:
        return f"with its prefix the path is longer than {MAX_KEY_BYTES} bytes; shorten it"
    return ""


def _name(entry: Entry) -> str:
    try:
        clean_filename(entry.name)
        entry.name.encode()
    except InvalidField as error:
        return error.message
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    return ""


def _type(entry: Entry, limits: Mapping[str, UploadLimit]) -> str:
    if len(entry.type.encode("utf-8", "replace")) > MAX_TYPE_BYTES:
        return f"its type is longer than {MAX_TYPE_BYTES} bytes"
    limit, kind = limits.get(entry.family), type_of(entry)
    if limit is None or kind == GENERIC or limit.takes(kind):
        return ""
    return f"{kind} is not accepted here; {entry.family} accepts {', '.join(limit.content_types)}"


def type_of(entry: Entry) -> str:
    """Return the type as far as it is known without the bytes.

    For application/octet-stream the service detects the type from the first bytes.
    """
    declared = normalise(entry.type)
    return by_extension(entry.name) if declared == GENERIC else declared


def _size(entry: Entry, limits: Mapping[str, UploadLimit]) -> str:
    limit = limits.get(entry.family)
    if limit is None or entry.size is None:
        return ""
    if entry.size > limit.max_size:
        return f"it is too large: {entry.size} bytes, {limit.max_size} are taken here"
    files = entry.details.get("files", 0)
    if limit.max_files and isinstance(files, int) and files > limit.max_files:
        return f"it has too many files: {files}, {limit.max_files} are taken"
    return ""


def _details(entry: Entry) -> str:
    for name, most in _MOST.items():
        if len(entry.text(name)) > most:
            return f"its {name} is longer than {most} characters"
    settings = entry.text("settings")
    if len(settings.encode("utf-8", "replace")) > MAX_SETTINGS_BYTES:
        return f"its settings are longer than {MAX_SETTINGS_BYTES} bytes"
    if entry.family == "generation" and settings and not _is_json(settings):
        return "its settings are not JSON"
    if len(entry.tags) > _MOST_TAGS or any(len(tag) > _MOST_TAG for tag in entry.tags):
        return f"it has more than {_MOST_TAGS} tags, or one longer than {_MOST_TAG} characters"
    return ""


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_RULES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "generation": (GENERATION_KINDS.__contains__, f"none of {', '.join(GENERATION_KINDS)}"),
    "event_media": (_is_uuid, "no UUID, which events have"),
    "project": (
        lambda key: _SLUG.fullmatch(key) is not None,
        "no slug: a-z, 0-9, - and _, 128 at most, the first a letter or digit",
    ),
    "audio": (lambda key: len(key.encode("utf-8", "replace")) <= _MOST_CLASS, "longer than 128 bytes"),
}


def _shown(text: str) -> str:
    return ascii(text[:100])
