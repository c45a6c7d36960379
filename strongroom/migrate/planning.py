"""Makes a plan: lists a source, applies the layout, checks the entries and counts them.

Blocks. The service is not asked.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from strongroom.client.uploads import UploadLimit
from strongroom.errors import PathInvalid
from strongroom.migrate.checks import why_not
from strongroom.migrate.entries import FAMILIES, Entry
from strongroom.migrate.layouts import Layout
from strongroom.migrate.plans import Header, writing
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.sources.source import Found, Source
from strongroom.path_rules import normal_path

#: The field of a layout that is the key in a family.
_KEY_FIELDS: Final = {
    "audio": "class",
    "path": "path",
    "generation": "kind",
    "event_media": "event",
    "project": "slug",
}
_NO_SLUG: Final = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Placing:
    """Defaults for what the source and the layout don't say. ``key``: of audio, generation and event
    media.
    """

    family: str = "uploads"
    owner: str = ""
    key: str = ""
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise PlanProblem(f"--family is one of {', '.join(FAMILIES)}, not {self.family}")


@dataclass(slots=True)
class Summary:
    """The result of planning. ``reasons``: how many entries can't be moved, by reason without names and
    numbers.
    """

    entries: int = 0
    bytes: int = 0
    refused: int = 0
    owners: set[str] = field(default_factory=set)
    families: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        if entry.why:
            self.refused += 1
            self.reasons[re.sub(r"'[^']*'|\d+", "…", entry.why)] += 1
            return
        self.entries += 1
        self.bytes += entry.size or 0
        self.owners.add(entry.owner)
        self.families[entry.family] += 1


def make_plan(
    source: Source,
    placing: Placing,
    limits: Mapping[str, UploadLimit],
    path: Path,
    on_found: Callable[[int], object] = int,
) -> Summary:
    """Write the plan of ``source`` to ``path``, atomically. ``on_found`` is called with the count so far."""
    header = Header(str(uuid.uuid4()), datetime.now(UTC).isoformat(timespec="seconds"), source.described())
    summary = Summary()
    with writing(path, header) as write:
        for count, entry in enumerate(planned(source, placing, limits), 1):
            write(entry)
            summary.add(entry)
            on_found(count)
    return summary


def planned(source: Source, placing: Placing, limits: Mapping[str, UploadLimit]) -> Iterator[Entry]:
    """Yield the entries; those that can't be moved have a reason."""
    seen: dict[bytes, str] = {}
    for found in source.find():
        entry = _placed(found, placing)
        why = why_not(entry, limits)
        if not why:
            why = _twice(entry, seen)
        yield dataclasses.replace(entry, why=why) if why else entry


def _twice(entry: Entry, seen: dict[bytes, str]) -> str:
    """Return why an entry collides with an earlier one: it would replace it, or is the same. Empty if it
    doesn't.

    Entries of different owners never collide.
    """
    where = (
        [entry.owner, entry.place] if entry.place else [entry.owner, entry.family, entry.key, entry.reference]
    )
    said = "\0".join(where).encode("utf-8", "surrogateescape")
    first = seen.setdefault(hashlib.blake2b(said, digest_size=16).digest(), entry.reference)
    if first is entry.reference:
        return ""
    return f"{first!a} goes to the same place" if entry.place else "it is named twice"


def _placed(found: Found, placing: Placing) -> Entry:
    """Make the entry. The source's own values take precedence over the layout's, and those over the
    options.
    """
    given = {name: text for name, text in found.given.items() if text}
    laid, why = _laid(found, placing)
    family = given.get("family") or placing.family
    key = given.get("key") or laid.get(_KEY_FIELDS.get(family, ""), "") or placing.key
    if family == "path" and not key:
        key = found.path
    if family == "path":
        key = _normal(key)
    if family == "project":
        key = _slug(key or found.path.rstrip("/").rsplit("/", 1)[-1])
    name = given.get("name") or laid.get("name") or found.path.rstrip("/").rsplit("/", 1)[-1]
    return Entry(
        reference=found.reference,
        owner=given.get("owner") or laid.get("owner") or placing.owner,
        family=family,
        key=key if family in _KEY_FIELDS else "",
        name="" if family == "project" else name,
        type=given.get("type", ""),
        size=found.size,
        stamp=found.stamp,
        details=found.details,
        why=found.why or why,
    )


def _laid(found: Found, placing: Placing) -> tuple[dict[str, str], str]:
    if placing.layout is None or found.why:
        return {}, ""
    path = f"{found.path}x" if found.path.endswith("/") else found.path  # a project is laid out by its files
    laid = placing.layout.read(path)
    if laid is None:
        return {}, f"it is not laid out as {placing.layout.text}"
    return laid, ""


def _normal(path: str) -> str:
    """Return the path in NFC, the stored form. A path that breaks a rule is returned unchanged, to be named
    by the check.
    """
    try:
        return normal_path(path)
    except (PathInvalid, UnicodeEncodeError):
        return path


def _slug(name: str) -> str:
    """Return a folder's name as a slug: ``My Site`` becomes ``my-site``."""
    return _NO_SLUG.sub("-", name.lower()).strip("-")
