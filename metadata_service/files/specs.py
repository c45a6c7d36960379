"""Normalization and validation of an UploadSpec before it is stored with its blob, so that T4 need not repeat
it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from servicekit.json_text import NotJson, parse_json
from servicekit.texts import refuse_nul
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_UPLOADS,
    EventMediaTarget,
    GenerationTarget,
    UploadSpec,
)
from strongroom.path_rules import clean_filename, normal_path

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*\Z")
DEFAULT_TYPE: Final = "application/octet-stream"


def normal_spec(given: UploadSpec, owner_id: str) -> UploadSpec:
    """A copy with owner, clean file name, NFC path, canonical ids, tags without repeats, and all defaults
    filled in.

    The file name stays empty if none was usable; it is made from the key then. Raises InvalidField and
    PathInvalid.
    """
    refuse_nul(given, "spec")
    spec = UploadSpec()
    spec.CopyFrom(given)
    spec.user_id = owner_id
    spec.ClearField("moves")  # no upload names a file to delete
    spec.filename = clean_filename(given.filename)
    spec.content_type = _media_type(given.content_type)
    if spec.visibility == file_pb2.VISIBILITY_UNSPECIFIED:
        spec.visibility = file_pb2.VISIBILITY_PRIVATE
    target = spec.target
    match target.WhichOneof("target"):
        case "file" if not target.file.folder:
            target.file.folder = FILE_FOLDER_UPLOADS
        case "generation":
            _check_settings(target.generation)
        case "event_media":
            _canonical_media(target.event_media)
        case "path":
            target.path.path = normal_path(target.path.path)
    return spec


def _media_type(given: str) -> str:
    if not _PRINTABLE.match(given):
        raise InvalidField(
            "The content type holds characters that are not printable ASCII.",
            field="content_type",
            rule="ascii",
        )
    return given or DEFAULT_TYPE


def _canonical_media(target: EventMediaTarget) -> None:
    target.event_id = str(UUID(target.event_id))
    unique = list(dict.fromkeys(target.tags))
    del target.tags[:]
    target.tags.extend(unique)


def _check_settings(target: GenerationTarget) -> None:
    """Check that the settings are JSON (RFC 8259: no NaN). They are stored as text."""
    if not target.settings_json:
        return
    text = target.settings_json.removeprefix("\ufeff")
    try:
        parse_json(text)
    except NotJson as error:
        raise InvalidField(
            f"The settings are not JSON: {error}.", field="settings_json", rule="json"
        ) from error
    target.settings_json = text


def check_class(storage_class: str, allowed: Collection[str]) -> None:
    """Check the storage class; empty means that none was chosen.

    :raises InvalidField: it is not among the classes that this installation lets callers choose.
    """
    if not storage_class or storage_class in allowed:
        return
    known = ", ".join(sorted(allowed))
    raise InvalidField(
        f"storage_class may be one of: {known}."
        if known
        else "This installation chooses the storage class; leave storage_class out.",
        field="storage_class",
        rule="in",
    )
