"""Differences between the families of files: slot, promised metadata, lifetime, detail rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.db.database import Statement
from metadata_service.files.carried import Sealing, carry
from metadata_service.files.layouts import Attempt
from servicekit.presentation import split_charset
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget

ATTEMPT_KEY: Final = "strongroom-attempt"
#: On files of projects: the save that wrote the file, and whether it is executable.
SAVE_KEY: Final = "strongroom-save"
EXECUTABLE_KEY: Final = "strongroom-executable"
TIMESTAMP_KEY: Final = "upload_timestamp"
#: Metadata that the families promise (rest.md B). User metadata never overrides it, and edits never remove
#: it.
PROMISED: Final = frozenset({"user_id", "original_filename", "content_type", TIMESTAMP_KEY, "class_id"})
DEFAULT_TTL_SECONDS: Final = 24 * 3600.0
PROFILE_SLOT: Final = "profile"

FAMILIES: Final[dict[str, file_pb2.FileFamily.ValueType]] = {
    "file": file_pb2.FILE_FAMILY_FILE,
    "generation": file_pb2.FILE_FAMILY_GENERATION,
    "event_media": file_pb2.FILE_FAMILY_EVENT_MEDIA,
    "profile_picture": file_pb2.FILE_FAMILY_PROFILE_PICTURE,
    "temp": file_pb2.FILE_FAMILY_TEMP,
    "path": file_pb2.FILE_FAMILY_PATH,
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A normalized spec and its owner, which together determine where the file goes."""

    spec: UploadSpec
    owner_id: str

    @property
    def family(self) -> file_pb2.FileFamily.ValueType:
        """The family's number."""
        return FAMILIES[self.spec.target.WhichOneof("target") or ""]

    @property
    def slot(self) -> str | None:
        """The slot, unique per owner; None if each upload is a file of its own."""
        return slot_of(self.spec.target)

    @property
    def lifetime(self) -> float | None:
        """Seconds until a temporary file is deleted; None: it stays."""
        if self.spec.target.WhichOneof("target") != "temp":
            return None
        ttl = self.spec.target.temp.ttl
        return ttl.seconds + ttl.nanos / 1e9 if self.spec.target.temp.HasField("ttl") else DEFAULT_TTL_SECONDS


def slot_of(target: UploadTarget) -> str | None:
    """The slot of a target, `profile` or `path:…`; None: it has none."""
    match target.WhichOneof("target"):
        case "profile_picture":
            return PROFILE_SLOT
        case "path":
            return f"path:{target.path.path}"
        case _:
            return None


def object_metadata(spec: UploadSpec, attempt: Attempt, sealing: Sealing | None = None) -> dict[str, str]:
    """The metadata that S3 stores with the object. The database adds `upload_timestamp` from its clock."""
    known = {
        ATTEMPT_KEY: str(attempt.id),
        "user_id": attempt.owner_id,
        "original_filename": spec.filename,
        "content_type": split_charset(spec.content_type)[0],
    }
    if spec.target.file.class_id:
        known["class_id"] = spec.target.file.class_id
    return known | carry(spec, known, sealing)


def file_metadata(spec: UploadSpec, stored: dict[str, str]) -> dict[str, str]:
    """The metadata that the file shows: the user's, overridden by what the family promises."""
    return dict(spec.metadata) | {name: text for name, text in stored.items() if name in PROMISED}


def with_details(file: file_pb2.File, target: UploadTarget) -> file_pb2.File:
    """Fill in the family's details. Returns `file`."""
    match target.WhichOneof("target"):
        case "generation":
            wanted = target.generation
            file.generation_details.type = wanted.type
            file.generation_details.prompt = wanted.prompt
            file.generation_details.settings_json = wanted.settings_json
        case "event_media":
            media = target.event_media
            file.event_media_details.event_id = media.event_id
            file.event_media_details.title = media.title
            file.event_media_details.description = media.description
            file.event_media_details.tags.extend(media.tags)
    return file


_INSERT_GENERATION: Final = """
INSERT INTO generations (owner_id, file_id, type, prompt, settings_json) VALUES (%s, %s, %s, %s, %s)
"""
_INSERT_EVENT_MEDIA: Final = """
INSERT INTO event_media (owner_id, file_id, event_id, title, description, tags)
VALUES (%s, %s, %s, %s, %s, %s)
"""


def insert_details(file: file_pb2.File) -> list[Statement]:
    """The statements that insert a new file's detail row."""
    match file.family:
        case file_pb2.FILE_FAMILY_GENERATION:
            generation = file.generation_details
            values = (generation.type, generation.prompt, generation.settings_json)
            return [(_INSERT_GENERATION, (file.owner_id, UUID(file.id), *values))]
        case file_pb2.FILE_FAMILY_EVENT_MEDIA:
            media = file.event_media_details
            texts = (UUID(media.event_id), media.title, media.description, list(media.tags))
            return [(_INSERT_EVENT_MEDIA, (file.owner_id, UUID(file.id), *texts))]
        case _:
            return []
