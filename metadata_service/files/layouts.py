"""Layouts of S3 keys; all keys are made here (rest.md; architecture.md, "Keys").

User text in a key keeps `A-Z a-z 0-9 - _ . ~ @ +`; every other UTF-8 byte becomes `=XX` (upper-case hex). So
a key means the same plain and percent-encoded, and different texts give different segments. A segment of only
dots has its first dot escaped. Paths chosen by callers are not escaped; `strongroom.path_rules` has the rules
for them and for names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from strongroom.errors import InvalidField
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FILE_FOLDER_DOCUMENTS,
    FILE_FOLDER_UPLOADS,
    UploadTarget,
)
from strongroom.path_rules import key_too_long, normal_path
from strongroom.subjects import key_segment

#: Bytes of UTF-8 (S3 "Object key naming guidelines").
MAX_KEY_BYTES: Final = 1024
#: First segments that belong to a family. Generations begin with the user's id, which must not look like one.
ROOTS: Final = frozenset(
    {
        "uploads",
        "documents",
        "audio",
        "events",
        "users",
        "temp",
        "projects",
        "paths",
        "partials",
        "segments",
    }
)
PARTIALS: Final = "partials/"
SEGMENTS: Final = "segments/"

_FOLDERS: Final = {
    FILE_FOLDER_UPLOADS: "uploads",
    FILE_FOLDER_DOCUMENTS: "documents",
    FILE_FOLDER_AUDIO: "audio",
}
GENERATION_TYPES: Final = {
    file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE: "text-to-image",
    file_pb2.GENERATION_TYPE_TEXT_TO_VIDEO: "text-to-video",
    file_pb2.GENERATION_TYPE_IMAGE_TO_IMAGE: "image-to-image",
    file_pb2.GENERATION_TYPE_IMAGE_TO_VIDEO: "image-to-video",
}
#: Roots whose second segment is the user.
_OWNED: Final = frozenset({"uploads", "documents", "users", "projects", "paths"})
_ESCAPED: Final = re.compile(rb"=([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The facts that keys are made from. `at`: UTC, by the database's clock; `extension`: without its dot."""

    owner_id: str
    id: UUID
    at: datetime
    extension: str


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """`shared`: several attempts write to this key; their identity is (key, version id), rule R0."""

    text: str
    shared: bool = False


FALLBACK_EXTENSION: Final = "bin"
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,10})\Z")

#: Media type → extension, for names without one. A table of our own, because `mimetypes` differs between
#: machines.
_BY_TYPE: Final = {
    "application/epub+zip": "epub",
    "application/gzip": "gz",
    "application/json": "json",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/x-wav": "wav",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html",
    "text/javascript": "js",
    "text/markdown": "md",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}


def extension_of(filename: str, content_type: str) -> str:
    """The extension for an S3 key: the name's (lower case, `[a-z0-9]{1,10}`), else the type's, else `bin`.

    A name that consists of an extension (`.png`) counts.
    """
    found = _EXTENSION.search(filename)
    if found:
        return found[1].lower()
    return _BY_TYPE.get(content_type.partition(";")[0].strip().lower(), FALLBACK_EXTENSION)


def segment(text: str, field: str = "user_id") -> str:
    """One key segment from user text. Raises InvalidField, which names `field`, if the text is empty."""
    if not text:
        raise InvalidField(
            f"{field} becomes part of the S3 key; it may not be empty.", field=field, rule="not_empty"
        )
    return key_segment(text)


def text_of(segment: str) -> str:
    """The inverse of `segment`."""
    raw = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), segment.encode())
    return raw.decode("utf-8", "replace")


def owner_in(key: str) -> str:
    """The user named in a key; empty if keys of this kind name none."""
    root, _, rest = key.partition("/")
    name, _, rest = rest.partition("/")
    if root in _OWNED:
        return text_of(name) if rest else ""
    return text_of(root) if root not in ROOTS and name in GENERATION_TYPES.values() and rest else ""


def object_key(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    """The key for one attempt. Raises InvalidField (also for project archives), PathInvalid."""
    family = target.WhichOneof("target")
    if family not in _LAYOUTS:
        raise InvalidField(
            "A ZIP becomes a project's version by SaveProjectArchive (over HTTP: POST"
            " /api/projects/{slug}/archive); an upload can't store it as one.",
            field="target",
            rule="family",
        )
    return _LAYOUTS[family](target, attempt)


def holds_time(target: UploadTarget) -> bool:
    """Whether the key contains a date or time, so that `Attempt.at` must be the database's time."""
    return target.WhichOneof("target") in {"generation", "event_media", "profile_picture", "temp"}


def partial_key(attempt: Attempt) -> ObjectKey:
    """The key of a partial upload until it is concatenated: `partials/{uuid}`."""
    return ObjectKey(f"{PARTIALS}{attempt.id}")


def path_key(owner_id: str, path: str) -> str:
    """`paths/{user_id}/{path}`. Raises PathInvalid."""
    return _with_path(f"paths/{segment(owner_id)}/", path)


def project_file_key(owner_id: str, slug: str, path: str) -> str:
    """`projects/{user_id}/{slug}/{path}`. Raises PathInvalid."""
    return _with_path(f"projects/{segment(owner_id)}/{segment(slug, 'slug')}/", path)


def _with_path(prefix: str, path: str) -> str:
    key = prefix + normal_path(path)
    if len(key.encode()) > MAX_KEY_BYTES:
        raise key_too_long(path, MAX_KEY_BYTES)
    return key


def _file(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    folder = target.file.folder or FILE_FOLDER_UPLOADS
    audio = folder == FILE_FOLDER_AUDIO
    parent = segment(target.file.class_id, "class_id") if audio else segment(attempt.owner_id)
    return ObjectKey(f"{_FOLDERS[folder]}/{parent}/{attempt.id}.{attempt.extension}")


def _generation(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    root = segment(attempt.owner_id)
    if root in ROOTS:
        root = f"={ord(root[0]):02X}{root[1:]}"
    kind = GENERATION_TYPES[target.generation.type]
    return ObjectKey(f"{root}/{kind}/{attempt.at:%Y-%m-%d}-{attempt.id}.{attempt.extension}")


def _event_media(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    return ObjectKey(f"events/{UUID(target.event_media.event_id)}/media/{_moment(attempt)}")


def _profile_picture(_: UploadTarget, attempt: Attempt) -> ObjectKey:
    return ObjectKey(f"users/{segment(attempt.owner_id)}/profile/{_moment(attempt)}")


def _temp(_: UploadTarget, attempt: Attempt) -> ObjectKey:
    return ObjectKey(f"temp/{_moment(attempt)}")


def _path(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    return ObjectKey(path_key(attempt.owner_id, target.path.path), shared=True)


def _moment(attempt: Attempt) -> str:
    return f"{attempt.at:%Y/%m/%d/%H%M%S_%f}.{attempt.extension}"


_LAYOUTS: Final[dict[str | None, Callable[[UploadTarget, Attempt], ObjectKey]]] = {
    "file": _file,
    "generation": _generation,
    "event_media": _event_media,
    "profile_picture": _profile_picture,
    "temp": _temp,
    "path": _path,
}
