"""What an object says about itself in its metadata; where that is missing or cut, in its key
(`files.layouts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from metadata_service.db.timestamps import to_proto
from metadata_service.files import layouts
from metadata_service.files.carried import Sealing, carried
from metadata_service.files.families import ATTEMPT_KEY, FAMILIES, TIMESTAMP_KEY
from metadata_service.files.specs import normal_spec
from strongroom.errors import InvalidField, StrongroomError
from strongroom.metadata.v1.restoration_pb2 import ObjectDescription, StoredObject
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FILE_FOLDER_DOCUMENTS,
    FILE_FOLDER_UPLOADS,
    UploadSpec,
)

PROJECTS: Final = "projects/"
#: Everything that only the spec tells.
_SPEC: Final = "spec"
_FOLDERS: Final = {
    "uploads": FILE_FOLDER_UPLOADS,
    "documents": FILE_FOLDER_DOCUMENTS,
    "audio": FILE_FOLDER_AUDIO,
}
#: How many segments of a key follow from owner and target alone; 0: all.
_SEGMENTS: Final = {"file": 2, "generation": 2, "event_media": 3, "profile_picture": 3, "temp": 1, "path": 0}


@dataclass(frozen=True, slots=True)
class Described:
    """A file as described by its object. `at`: when it was stored, in UTC."""

    attempt_id: UUID
    owner_id: str
    spec: UploadSpec
    at: datetime
    left_out: list[str]


def describe(found: StoredObject, sealing: Sealing | None = None) -> ObjectDescription:
    """As much as can be said, for a list."""
    said = ObjectDescription(store_time=to_proto(stored_at(found)), owner_id=_owner_of(found))
    if found.key.startswith(PROJECTS):
        said.attempt_id = found.object_metadata.get(ATTEMPT_KEY, "")
        said.owner_id, said.project_slug, said.filename = project_path(found.key)
        return said
    try:
        described = described_file(found, sealing)
    except StrongroomError:
        said.left_out.append(_SPEC)
        return said
    said.attempt_id = str(described.attempt_id)
    said.owner_id = described.owner_id
    said.family = FAMILIES[described.spec.target.WhichOneof("target") or ""]
    said.filename = described.spec.filename
    said.left_out.extend(described.left_out)
    return said


def described_file(found: StoredObject, sealing: Sealing | None = None) -> Described:
    """The file that an object belongs to. Raises InvalidField if the object does not say, or if key and
    metadata disagree.
    """
    metadata = found.object_metadata
    spec, left_out = carried(metadata, sealing)
    if spec is None:
        spec, left_out = _by_key(found.key), [_SPEC]
    spec.user_id = spec.user_id or _owner_of(found)
    if spec.target.HasField("path"):
        spec.target.path.path = found.key.split("/", 2)[-1]
    spec.filename = spec.filename or metadata.get("original_filename", "") or found.key.rpartition("/")[2]
    spec.content_type = found.content_type
    owner = spec.user_id
    if not owner:
        raise _unknown("whose it is")
    attempt_id = attempt_of(found)
    try:
        normal = normal_spec(spec, owner)
    except ValueError:  # the event's id is no UUID
        raise _unknown("what belongs to it") from None
    normal.ClearField("size_bytes")
    described = Described(attempt_id, owner, normal, stored_at(found), left_out)
    _check_key(found.key, described)
    return described


def attempt_of(found: StoredObject) -> UUID:
    """The attempt that wrote the object. Raises InvalidField."""
    try:
        return UUID(found.object_metadata.get(ATTEMPT_KEY, ""))
    except ValueError:
        raise _unknown("which upload has written it") from None


def project_path(key: str) -> tuple[str, str, str]:
    """Owner, slug and path of `projects/{owner}/{slug}/{path}`."""
    _, owner, slug, path = (*key.split("/", 3), "", "", "")[:4]
    return layouts.text_of(owner), layouts.text_of(slug), path


def stored_at(found: StoredObject) -> datetime:
    """The later of the upload's begin, by the database's clock, and the store's time."""
    by_store = found.store_time.ToDatetime(UTC)
    try:
        begun = datetime.fromisoformat(found.object_metadata.get(TIMESTAMP_KEY, ""))
    except ValueError:
        return by_store
    return max(by_store, begun) if begun.tzinfo is not None else by_store


def _owner_of(found: StoredObject) -> str:
    return found.object_metadata.get("user_id", "")


def _by_key(key: str) -> UploadSpec:
    """The spec as far as the key tells it, for objects older than the carried spec."""
    spec = UploadSpec()
    root, *rest = key.split("/")
    if root in _FOLDERS:
        spec.target.file.folder = _FOLDERS[root]
        if root == "audio":
            spec.target.file.class_id = layouts.text_of(rest[0]) if rest else ""
    elif root == "events":
        spec.target.event_media.event_id = rest[0] if rest else ""
    elif root == "users":
        spec.target.profile_picture.SetInParent()
    elif root == "temp":
        spec.target.temp.SetInParent()
    elif root == "paths":
        spec.target.path.SetInParent()
    else:
        kinds = {name: kind for kind, name in layouts.GENERATION_TYPES.items()}
        if not rest or rest[0] not in kinds:
            raise _unknown("of which family it is")
        spec.target.generation.type = kinds[rest[0]]
    return spec


def _check_key(key: str, described: Described) -> None:
    """Check that key and metadata belong together. Raises InvalidField if they name different places."""
    target = described.spec.target
    extension = layouts.extension_of(described.spec.filename, described.spec.content_type)
    attempt = layouts.Attempt(described.owner_id, described.attempt_id, described.at, extension)
    expected = layouts.object_key(target, attempt).text
    count = _SEGMENTS[target.WhichOneof("target") or ""] or len(expected.split("/"))
    if expected.split("/")[:count] != key.split("/")[:count]:
        raise InvalidField(
            "The object's metadata names another place than its key.", field="object_metadata", rule="key"
        )


def _unknown(what: str) -> InvalidField:
    return InvalidField(
        f"The object does not say {what}: it is not one of Strongroom's, or its metadata was lost.",
        field="object_metadata",
        rule="known",
    )
