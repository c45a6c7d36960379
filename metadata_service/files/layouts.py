"""Every S3 key is made here (rest.md; architecture.md, "Keys").

User text inside a key keeps `A-Z a-z 0-9 - _ . ~ @ +`; every other UTF-8 byte becomes `=XX` (upper-case
hex), so that a key means the same plain and percent-encoded, and two texts never give one segment. A
segment of dots only escapes its first dot. Paths of the caller's choice stay as they are;
`strongroom.path_rules` has their rules, and those of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from strongroom.errors import InvalidField, Unimplemented
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FILE_FOLDER_DOCUMENTS,
    FILE_FOLDER_UPLOADS,
    UploadTarget,
)
from strongroom.path_rules import key_too_long, normal_path

#: S3 "Object key naming guidelines": bytes of UTF-8.
MAX_KEY_BYTES: Final = 1024
#: First segments that belong to a family; generations begin with the user's id, which may not look like one.
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
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9\-_.~@+]")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a key is made from. `at`: UTC, by the database's clock; `extension` without its dot."""

    owner_id: str
    id: UUID
    at: datetime
    extension: str


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """`shared`: several attempts write this key; their identity is (key, version id), rule R0."""

    text: str
    shared: bool = False


FALLBACK_EXTENSION: Final = "bin"
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,10})\Z")

#: Media type → extension, for names that have none. Fixed here because `mimetypes` differs between machines.
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
    """The extension for an S3 key: of the name (lower case, `[a-z0-9]{1,10}`), else of the type, else `bin`.

    A name that only has an extension (`.png`) counts as having it.
    """
    found = _EXTENSION.search(filename)
    if found:
        return found[1].lower()
    return _BY_TYPE.get(content_type.partition(";")[0].strip().lower(), FALLBACK_EXTENSION)


def segment(text: str, field: str = "user_id") -> str:
    """One key segment from user text. Raises InvalidField naming `field` when it is empty."""
    if not text:
        raise InvalidField(
            f"{field} becomes part of the S3 key; it may not be empty.", field=field, rule="not_empty"
        )
    escaped = _UNSAFE.sub(lambda found: b"=" + found[0].hex().upper().encode(), text.encode()).decode("ascii")
    return "=2E" + escaped[1:] if escaped.strip(".") == "" else escaped


def text_of(segment: str) -> str:
    """What `segment` has escaped."""
    raw = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), segment.encode())
    return raw.decode("utf-8", "replace")


def owner_in(key: str) -> str:
    """The user that a key names; empty: keys of this kind name none."""
    root, _, rest = key.partition("/")
    name, _, rest = rest.partition("/")
    if root in _OWNED:
        return text_of(name) if rest else ""
    return text_of(root) if root not in ROOTS and name in GENERATION_TYPES.values() and rest else ""


def object_key(target: UploadTarget, attempt: Attempt) -> ObjectKey:
    """The key for one attempt. Raises InvalidField, PathInvalid, and Unimplemented for project archives."""
    family = target.WhichOneof("target")
    if family not in _LAYOUTS:
        raise Unimplemented(
            "Storing a ZIP as a project comes in a later release.", metadata={"feature": "project archives"}
        )
    return _LAYOUTS[family](target, attempt)


def holds_time(target: UploadTarget) -> bool:
    """Whether the key holds date or time, so that `Attempt.at` has to be the database's."""
    return target.WhichOneof("target") in {"generation", "event_media", "profile_picture", "temp"}


def partial_key(attempt: Attempt) -> ObjectKey:
    """Where a partial upload's bytes wait to be concatenated: `partials/{uuid}`."""
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
