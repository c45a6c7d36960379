"""One line of a plan: what moves, whose it becomes and where it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

from strongroom.client.targets import (
    AtPath,
    Audio,
    Documents,
    EventMedia,
    Generation,
    GenerationKind,
    ProfilePicture,
    Target,
    Uploads,
)
from strongroom.migrate.problems import PlanProblem

FAMILIES: Final = (
    "uploads",
    "documents",
    "audio",
    "path",
    "generation",
    "event_media",
    "profile_picture",
    "project",
)
#: What ``key`` says in each family that needs one.
KEYS: Final = {
    "audio": "the class of the recording",
    "path": "the path",
    "generation": "how it was generated, such as text-to-image",
    "event_media": "the event's UUID",
    "project": "the project's slug",
}
GENERATION_KINDS: Final = get_args(GenerationKind)


@dataclass(frozen=True, slots=True)
class Entry:
    """``reference``: how the source names it. ``key``: what the family needs to place it (``KEYS``). ``size``
    in bytes; None: the source can't tell. ``stamp``: what changes when the source changes. ``details``:
    prompt, settings, title, description, tags. ``why``: it can't move, and why; empty: it can.
    """

    reference: str
    owner: str
    family: str
    key: str = ""
    name: str = ""
    type: str = ""
    size: int | None = None
    stamp: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def identity(self, plan_id: str) -> str:
        """What the run knows it by: the same line of the same plan, whatever process reads it."""
        said = [plan_id, self.reference, self.owner, self.family, self.key, self.name, self.type]
        text = json.dumps([*said, self.details], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @property
    def target(self) -> Target:
        """Where it goes.

        :raises PlanProblem: a family that no file has.
        """
        if self.family not in _TARGETS:
            raise PlanProblem(f"{self.family!r} is no family; choose one of {', '.join(FAMILIES)}")
        return _TARGETS[self.family](self)

    @property
    def place(self) -> str:
        """Where two entries would meet; empty: each upload is a file of its own."""
        if self.family in {"path", "project"}:
            return f"{self.family} {self.key}"
        return self.family if self.family == "profile_picture" else ""

    def text(self, name: str) -> str:
        """A detail as text."""
        value = self.details.get(name, "")
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    @property
    def tags(self) -> tuple[str, ...]:
        """The detail ``tags``: a list, or words with commas between them."""
        value = self.details.get("tags", ())
        words = value.split(",") if isinstance(value, str) else [str(word) for word in value]
        return tuple(word.strip() for word in words if word.strip())


def _generation(entry: Entry) -> Target:
    return Generation(cast("GenerationKind", entry.key), entry.text("prompt"), entry.text("settings"))


def _event_media(entry: Entry) -> Target:
    return EventMedia(entry.key, entry.text("title"), entry.text("description"), entry.tags)


_TARGETS: Final[Mapping[str, Callable[[Entry], Target]]] = {
    "uploads": lambda _: Uploads(),
    "documents": lambda _: Documents(),
    "audio": lambda entry: Audio(entry.key),
    "path": lambda entry: AtPath(entry.key),
    "generation": _generation,
    "event_media": _event_media,
    "profile_picture": lambda _: ProfilePicture(),
}
