"""Targets of uploads without a form: ``family``, and the fields of that family's form by the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from gateway.families.event_media.routes import MediaForm, PictureForm, TempForm
from gateway.families.files.routes import FileForm
from gateway.families.generations.routes import TYPES, GenerationForm
from gateway.http.fields import choice
from gateway.upstream.uploads import VISIBILITIES
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import Visibility
from strongroom.metadata.v1.target_pb2 import PathTarget, UploadTarget

Fields = Mapping[str, str]

#: Fields that tell the family of a target in which ``family`` itself was forgotten.
TELLING: Final = {"path": "path", "event_id": "event_media", "ttl_seconds": "temp"}


def upload_target(fields: Fields) -> UploadTarget:
    """The target of an upload; without ``family`` it is a plain file.

    :raises InvalidField: there is no such family, or one of its fields is missing or invalid; ``family`` is
        missing beside a field of another family, which would be stored as a plain file.
    """
    for name, wanted in TELLING.items():
        if name in fields and not fields.get("family"):
            raise InvalidField(
                f"family is required beside {name}; set it to {wanted}.", field="family", rule="required"
            )
    family = fields.get("family") or "files"
    if family not in FAMILIES:
        raise InvalidField(f"family must be one of: {', '.join(FAMILIES)}.", field="family", rule="in")
    return FAMILIES[family](fields)


def visibility_of(fields: Fields) -> Visibility.ValueType:
    """The field ``visibility`` of every family.

    :raises InvalidField: neither private nor public.
    """
    return choice(fields, "visibility", VISIBILITIES, default="private")


#: Members of a target that are text and nothing else.
TEXTS: Final = frozenset(
    {"family", "folder", "class_id", "event_id", "title", "description", "prompt", "type", "path"}
)


def target_fields(target: Mapping[str, Any]) -> dict[str, str]:
    """The target's members as a form would send them: text unchanged, tags joined, everything else as JSON
    text.

    :raises InvalidField: a member that has to be text is none.
    """
    found: dict[str, str] = {}
    for name, value in target.items():
        if name in TEXTS and not (value is None or isinstance(value, str)):
            raise InvalidField(f"{name} must be a text.", field=name, rule="string_type")
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, list) and name == "tags":
            found[name] = ",".join(str(tag) for tag in value)
        elif value is not None:
            found[name] = json.dumps(value, ensure_ascii=False)
    return found


def _generation(fields: Fields) -> UploadTarget:
    """``generation_type`` is an alias of ``type``, for clients that send the media type as ``type`` (Uppy
    does).
    """
    wanted = fields.get("generation_type") or fields.get("type", "")
    known = {name: fields[name] for name in ("prompt", "settings") if name in fields}
    if wanted:
        known["type"] = wanted if wanted in TYPES else ""
    return GenerationForm().target(known)


def _media(fields: Fields) -> UploadTarget:
    try:
        event_id = str(UUID(fields.get("event_id", "")))
    except ValueError:
        raise InvalidField("event_id must be a UUID.", field="event_id", rule="string.uuid") from None
    return MediaForm(event_id).target(fields)


def _path(fields: Fields) -> UploadTarget:
    if not fields.get("path"):
        raise InvalidField("path is required.", field="path", rule="required")
    return UploadTarget(path=PathTarget(path=fields["path"]))


FAMILIES: Final[Mapping[str, Callable[[Fields], UploadTarget]]] = {
    "files": FileForm().target,
    "generations": _generation,
    "event_media": _media,
    "profile_picture": PictureForm().target,
    "temp": TempForm().target,
    "path": _path,
}
