"""The body of a save, read while it arrives: one file at a time, never the whole tree.

The JSON is ``{name, slug, user_id?, expected_version?, keep_until?, keep_for_seconds?, hold_reason?,
storage_class?, version_name?, message?, tags?, files: [{path, content, encoding?, executable?}…]}``, in any
order; of a partial save ``{name?, user_id?, expected_version?, files?, removed?: [path…]}`` with the same
optional members. Unknown members are ignored, but refused in a partial save: a mistyped ``removed`` would
remove nothing. A file is held in memory as a whole (10 MiB at most, by the limits below). The member that
says where it goes (``slug``) must come before the files, or the files before it must be small.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from gateway.families.projects.json_events import Event, JsonEvents
from gateway.http.json_body import UNKNOWN_LENGTH, lone_surrogate
from servicekit.json_text import NotJson, has_lone_surrogate
from strongroom.errors import InvalidField, MalformedRequest, ProjectLimitExceeded

#: No member is longer: base64 of the largest file takes 13.4 MiB.
MAX_TEXT: Final = 16 << 20
MAX_VERSION: Final = 2**53
#: Values that a body may have in addition to eight for each file (of which five at most are read).
_SPARE_VALUES: Final = 10_000
_VALUES_PER_FILE: Final = 8
#: The most different tags, as in the contract (``VersionLabel``).
_MOST_TAGS: Final = 32
#: Retention of the project, as ``gateway.upstream.wishes`` reads it.
KEEPING: Final = frozenset({"keep_until", "keep_for_seconds", "hold_reason"})
_HEAD: Final = frozenset(
    {"name", "slug", "user_id", "expected_version", "version_name", "message", "storage_class", *KEEPING}
)
_LISTS: Final = frozenset({"files", "removed", "tags"})
_MEMBERS: Final = frozenset({"path", "content", "encoding", "executable"})
_OPENING: Final = frozenset({"start_map", "start_array"})
_CLOSING: Final = frozenset({"end_map", "end_array"})


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a save. ``executable``: None: not given. ``removed``: remove the path."""

    path: str
    content: bytes
    executable: bool | None = None
    removed: bool = False


@dataclass(slots=True)
class TreeHead:
    """The members beside the files; None: not there, or not yet."""

    name: str | None = None
    slug: str | None = None
    user_id: str | None = None
    expected_version: int | None = None
    keep_until: str | None = None
    keep_for_seconds: int | str | None = None
    hold_reason: str | None = None
    storage_class: str | None = None
    version_name: str | None = None
    message: str | None = None
    tags: tuple[str, ...] | None = None


class TreeReader:
    """Push parser: ``feed`` bytes, take the completed files; ``finish`` at the end.

    :param max_files: the most files of a project.
    :param partial: the body contains changes, at least one.

    Raises MalformedRequest for invalid JSON, InvalidField for an invalid member.
    """

    def __init__(self, max_files: int, *, partial: bool = False) -> None:
        self.head = TreeHead()
        self._lists = _LISTS if partial else _LISTS - {"removed"}
        self._partial = partial
        self._json = JsonEvents(_SPARE_VALUES + _VALUES_PER_FILE * max_files)
        self._depth = 0
        self._names = ["", ""]
        self._seen: set[str] = set()
        self._draft: dict[str, str | bool | None] = {}
        self._count = 0
        self._pending = 0
        self._fault: InvalidField | None = None
        self._fault_depth = 0

    def feed(self, data: bytes | bytearray) -> list[TreeFile]:
        """The files that ``data`` completes."""
        self._pending += len(data)
        if self._pending > MAX_TEXT:
            raise ProjectLimitExceeded(
                "A file of the project is larger than 10 MiB.",
                metadata={"rule": "file_bytes", "limit": str(10 << 20)},
            )
        return self._take(self._json.feed(data))

    def finish(self) -> list[TreeFile]:
        """The last files; the body has ended."""
        last = self._take(self._json.finish())
        if self._partial and not self._seen & {"name", "files", "removed"}:
            raise InvalidField("Say what changes: files, removed or name.", field="body", rule="required")
        for name in () if self._partial else ("name", "slug", "files"):
            if name not in self._seen:
                raise InvalidField(f"{name} is required.", field=name, rule="required")
        return last

    def _take(self, events: Iterable[Event]) -> list[TreeFile]:
        files = []
        try:
            for name, value in events:
                self._pending = 0
                done = self._event(name, value)
                if done is not None:
                    files.append(done)
        except NotJson as error:
            raise MalformedRequest(f"The body is not valid JSON: {error}.") from None
        return files

    def _event(self, event: str, value: Any) -> TreeFile | None:
        done = None
        if event in _CLOSING:
            self._depth -= 1
        if self._fault is not None:
            self._look_for_its_end()
        elif event == "map_key":
            self._name(value)
        else:
            done = self._checked(event, value)
        if event in _OPENING:
            self._depth += 1
        return done

    def _checked(self, event: str, value: Any) -> TreeFile | None:
        """Like ``_value``, but a misplaced list or object is read to its end first, so that invalid JSON is
        reported before it.
        """
        try:
            return self._value(event, value)
        except InvalidField as error:
            if event not in _OPENING:
                raise
            self._fault, self._fault_depth = error, self._depth
            return None

    def _look_for_its_end(self) -> None:
        if self._fault is not None and self._depth == self._fault_depth:
            raise self._fault

    def _value(self, event: str, value: Any) -> TreeFile | None:
        """Handle a value, or its end, depending on its depth and context."""
        if self._depth == 0 and event not in {"start_map", "end_map"}:
            raise InvalidField("The body must be a JSON object.", field="body", rule="object")
        if event == "string" and has_lone_surrogate(value):
            raise lone_surrogate(self._place())
        outer, inner = self._names
        if self._depth == 1 and outer in _HEAD:
            setattr(self.head, outer, _HEAD_READERS.get(outer, _text)(outer, event, value))
        elif self._depth == 1 and outer in self._lists:
            self._begin_list(outer, event)
        elif self._depth == 2 and outer == "files":
            return self._file(event)
        elif self._depth == 2 and outer in self._lists:
            return self._listed(outer, _text(self._place(), event, value))
        elif self._depth == 3 and outer == "files" and inner in _MEMBERS:
            read = _truth if inner == "executable" else _text
            self._draft[inner] = read(self._place(), event, value)
        return None

    def _begin_list(self, name: str, event: str) -> None:
        if event not in {"start_array", "end_array"} and not (name == "tags" and event == "null"):
            raise InvalidField(f"{name} must be a list.", field=name, rule="list")
        self._count = 0
        if name == "tags" and event != "end_array":
            self.head.tags = ()

    def _listed(self, name: str, text: str) -> TreeFile | None:
        """An element of a list of texts: a removed path, or a tag."""
        self._count += 1
        if name == "removed":
            return TreeFile(text, b"", removed=True)
        tags = self.head.tags or ()
        if text not in tags:
            if len(tags) >= _MOST_TAGS:
                raise InvalidField(
                    f"tags has more than {_MOST_TAGS} different ones.", field="tags", rule="max_items"
                )
            self.head.tags = (*tags, text)
        return None

    def _name(self, name: str) -> None:
        """A member begins. Known members may occur only once, because readers differ in which of two they
        use.
        """
        twice = False
        shown = name.encode("utf-8", "replace").decode()
        if self._depth == 1:
            self._names = [shown, ""]
            twice = name in self._seen
            if name in _HEAD or name in self._lists:
                self._seen.add(name)
            elif self._partial:
                named = shown[:UNKNOWN_LENGTH]
                raise InvalidField(f"{named} is not known here.", field=named, rule="extra_forbidden")
        elif self._depth == 3 and self._names[0] == "files":
            self._names[1] = shown
            twice = name in self._draft
        if has_lone_surrogate(name):
            raise lone_surrogate(self._place())
        if twice:
            raise MalformedRequest(f"The body is not valid JSON: {self._place()} is there twice.")

    def _place(self) -> str:
        """The current member, for error messages."""
        outer, inner = self._names
        if outer not in self._lists or self._depth < 2:
            return outer or "body"
        return f"{outer}[{self._count}]" + (f".{inner}" if inner and self._depth > 2 else "")

    def _file(self, event: str) -> TreeFile | None:
        """The begin or end of an element of ``files``."""
        if event not in {"start_map", "end_map"}:
            raise InvalidField(f"{self._place()} must be an object.", field=self._place(), rule="object")
        self._names[1] = ""
        if event == "start_map":
            self._draft = {}
            return None
        file = _finished(self._draft, self._place())
        self._count += 1
        return file


def _text(name: str, event: str, value: Any) -> str:
    if event == "null" and name in _HEAD - {"name", "slug"}:
        return ""
    if event != "string":
        raise InvalidField(f"{name} must be a text.", field=name, rule="string")
    return str(value)


def _version(name: str, event: str, value: Any) -> int | None:
    if event == "null":
        return None
    if event != "number" or value != int(value) or not 0 <= value <= MAX_VERSION:
        raise InvalidField(f"{name} must be a whole number, 0 or more.", field=name, rule="integer")
    return int(value)


def _truth(name: str, event: str, value: Any) -> bool | None:
    if event == "null":
        return None
    if event != "boolean":
        raise InvalidField(f"{name} must be true or false.", field=name, rule="boolean")
    return bool(value)


def _finished(members: dict[str, str | bool | None], where: str) -> TreeFile:
    for name in ("path", "content"):
        if name not in members:
            raise InvalidField(f"{where}.{name} is required.", field=f"{where}.{name}", rule="required")
    path, content = str(members["path"]), str(members["content"])
    executable = members.get("executable")
    told = None if executable is None else bool(executable)
    encoding = str(members.get("encoding", "utf-8")).lower()
    try:
        if encoding in ("utf-8", "utf8"):
            return TreeFile(path, content.encode(), told)
        if encoding == "base64":
            return TreeFile(path, base64.b64decode(content, validate=True), told)
    except (binascii.Error, ValueError):
        raise InvalidField(
            f"{where}.content is not {encoding}.", field=f"{where}.content", rule=encoding
        ) from None
    raise InvalidField(f"{where}.encoding must be utf-8 or base64.", field=f"{where}.encoding", rule="in")


_HEAD_READERS: Final[dict[str, Callable[[str, str, Any], str | int | None]]] = {
    "expected_version": _version,
    "keep_for_seconds": _version,
}
