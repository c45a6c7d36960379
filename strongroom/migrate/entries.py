"""One line of a plan: what is moved, its owner and its target."""

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
#: The meaning of ``key`` in each family that needs one.
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
    """One thing to move.

    ``reference``: its name in the source. ``key``: what the family needs to place it (``KEYS``). ``size``:
    bytes; None if the source doesn't say. ``stamp``: changes when the source changes. ``details``: prompt,
    settings, title, description, tags. ``why``: the reason why it can't be moved; empty if it can.
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
        """Return the id of this line of the plan in the journal; equal in all processes."""
        said = [plan_id, self.reference, self.owner, self.family, self.key, self.name, self.type]
        text = json.dumps([*said, self.details], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @property
    def target(self) -> Target:
        """The target of its upload.

        :raises PlanProblem: there is no such family, or its files are not uploaded one by one.
        """
        if self.family not in _TARGETS:
            raise PlanProblem(f"{self.family!r} is not a family; choose one of {', '.join(FAMILIES)}")
        return _TARGETS[self.family](self)

    @property
    def place(self) -> str:
        """The slot at which two entries would collide; empty if each upload makes a new file."""
        if self.family in {"path", "project"}:
            return f"{self.family} {self.key}"
        return self.family if self.family == "profile_picture" else ""

    def text(self, name: str) -> str:
        """Return a detail as text."""
        value = self.details.get(name, "")
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    @property
    def tags(self) -> tuple[str, ...]:
        """The detail ``tags``: a list, or words separated by commas."""
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
