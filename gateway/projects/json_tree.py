"""The body of a save, read while it comes in: one file at a time, never the whole tree.

The JSON is ``{name, slug, user_id?, files: [{path, content, encoding?}…]}``, its members in any order;
unknown ones are passed over. ijson (yajl) does the parsing. A file is held whole (10 MiB at most, by the
limits below); what says where it goes (``slug``) must come before the files, or the files before it must be
small.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final

import ijson  # type: ignore[import-untyped]  # no types published

from strongroom.errors import InvalidField, MalformedRequest, ProjectLimitExceeded

#: More text than this in one member is never right: base64 of the largest file takes 13.4 MiB.
MAX_TEXT: Final = 16 << 20
_HEAD: Final = ("name", "slug", "user_id")
_FILE: Final = "files.item"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a save."""

    path: str
    content: bytes


@dataclass(slots=True)
class TreeHead:
    """What stands beside the files; None: not there (yet)."""

    name: str | None = None
    slug: str | None = None
    user_id: str | None = None


@dataclass(slots=True)
class _Draft:
    """A file whose members are still coming in."""

    members: dict[str, str] = field(default_factory=dict)


class TreeReader:
    """Push parser: ``feed`` bytes, take the files that they complete; ``finish`` at the end.

    Raises MalformedRequest for what is no JSON, InvalidField for a member that breaks its rule.
    """

    def __init__(self) -> None:
        self.head = TreeHead()
        self._events: Any = ijson.sendable_list()
        self._parser: Any = ijson.parse_coro(self._events)
        self._draft: _Draft | None = None
        self._count = 0
        self._seen_files = False
        self._pending = 0

    def feed(self, data: bytes) -> list[TreeFile]:
        """The files that ``data`` completes."""
        self._pending += len(data)
        if self._pending > MAX_TEXT:
            raise ProjectLimitExceeded(
                "A file of the project is larger than 10 MiB.",
                metadata={"rule": "file_bytes", "limit": str(10 << 20)},
            )
        try:
            self._parser.send(data)
        except ijson.JSONError as error:
            raise _no_json() from error
        return self._take()

    def finish(self) -> list[TreeFile]:
        """The last files; the body has ended."""
        try:
            self._parser.close()
        except ijson.JSONError as error:
            raise _no_json() from error
        last = self._take()
        for name in ("name", "slug"):
            if getattr(self.head, name) is None:
                raise InvalidField(f"{name} is required.", field=name, rule="required")
        if not self._seen_files:
            raise InvalidField("files is required.", field="files", rule="required")
        return last

    def _take(self) -> list[TreeFile]:
        files = []
        for prefix, event, value in self._events:
            self._pending = 0
            done = self._event(prefix, event, value)
            if done is not None:
                files.append(done)
        del self._events[:]
        return files

    def _event(self, prefix: str, event: str, value: Any) -> TreeFile | None:
        if prefix in _HEAD:
            setattr(self.head, prefix, _text(prefix, event, value))
        elif prefix == "" and event not in ("start_map", "map_key", "end_map"):
            raise InvalidField("The body must be a JSON object.", field="body", rule="object")
        elif prefix == "files":
            self._begin_files(event)
        elif prefix == _FILE:
            return self._file_event(event)
        elif self._draft is not None and prefix.startswith(_FILE + "."):
            self._member(prefix.removeprefix(_FILE + "."), event, value)
        return None

    def _begin_files(self, event: str) -> None:
        if event not in ("start_array", "end_array"):
            raise InvalidField("files must be a list.", field="files", rule="list")
        self._seen_files = True

    def _file_event(self, event: str) -> TreeFile | None:
        if event == "start_map":
            self._draft = _Draft()
        elif event == "end_map" and self._draft is not None:
            draft, self._draft = self._draft, None
            self._count += 1
            return _finished(draft.members, f"files[{self._count - 1}]")
        elif event != "map_key":
            where = f"files[{self._count}]"
            raise InvalidField(f"{where} must be an object.", field=where, rule="object")
        return None

    def _member(self, name: str, event: str, value: Any) -> None:
        if self._draft is not None and name in ("path", "content", "encoding"):
            self._draft.members[name] = _text(f"files[{self._count}].{name}", event, value)


def _text(name: str, event: str, value: Any) -> str:
    if event == "null" and name == "user_id":
        return ""
    if event != "string":
        raise InvalidField(f"{name} must be a text.", field=name, rule="string")
    return str(value)


def _finished(members: dict[str, str], where: str) -> TreeFile:
    for name in ("path", "content"):
        if name not in members:
            raise InvalidField(f"{where}.{name} is required.", field=f"{where}.{name}", rule="required")
    encoding = members.get("encoding", "utf-8").lower()
    try:
        if encoding in ("utf-8", "utf8"):
            return TreeFile(members["path"], members["content"].encode())
        if encoding == "base64":
            return TreeFile(members["path"], base64.b64decode(members["content"], validate=True))
    except (binascii.Error, ValueError):
        raise InvalidField(
            f"{where}.content is not {encoding}.", field=f"{where}.content", rule=encoding
        ) from None
    raise InvalidField(f"{where}.encoding must be utf-8 or base64.", field=f"{where}.encoding", rule="in")


def _no_json() -> MalformedRequest:
    return MalformedRequest("The body is no valid JSON.")
