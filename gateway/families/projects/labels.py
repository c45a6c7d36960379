"""The label of the new version in a request: name, message, tags; in the query or in the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.upstream.call import Call
from strongroom.errors import InvalidField
from strongroom.metadata.v1.project_pb2 import VersionLabel

LABEL: Final = ("version_name", "message", "tags")


class Labelled(Protocol):
    """A body that may have a label. None: it has none."""

    @property
    def version_name(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...
    @property
    def tags(self) -> Sequence[str] | None: ...


def label_of(call: Call, body: Labelled | None = None) -> VersionLabel | None:
    """The label; None: there is none. Raises InvalidField if query and body differ."""
    said: dict[str, Any] = {
        "version_name": call.query("version_name"),
        "message": call.query("message"),
        "tags": split_tags(call.query("tags")),
    }
    for name in LABEL if body is not None else ():
        value = getattr(body, name)
        value = _each_once(value) if name == "tags" and value is not None else value
        if value is not None and said[name] not in (None, value):
            raise InvalidField(
                f"{name} of the address and of the body differ; send one.", field=name, rule="once"
            )
        said[name] = said[name] if value is None else value
    label = VersionLabel(
        version_name=said["version_name"] or "", message=said["message"] or "", tags=said["tags"] or ()
    )
    return label if label.ByteSize() else None


def split_tags(text: str | None) -> tuple[str, ...] | None:
    """Comma-separated tags; None: not given."""
    return None if text is None else _each_once(filter(None, (tag.strip() for tag in text.split(","))))


def _each_once(tags: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
