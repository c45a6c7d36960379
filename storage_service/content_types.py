"""Which content type a file gets, and whether its family takes it.

The first bytes are matched against signatures (``signatures``). Types that can't be told apart by their
beginning form a group (a .docx is a ZIP); a declared type is contradicted only when it has a signature and
the bytes are of no type of its group.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence

from storage_service import signatures
from strongroom.errors import ContentTypeMismatch, ContentTypeNotAllowed
from strongroom.metadata.v1 import target_pb2
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget

GENERIC = "application/octet-stream"

_ALIASES = {
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/ogg": "audio/ogg",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "image/x-png": "image/png",
    "text/rtf": "application/rtf",
    "text/x-markdown": "text/markdown",
    "video/avi": "video/x-msvideo",
    "video/x-m4v": "video/mp4",
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_GROUPS: tuple[tuple[bytes, int, tuple[str, ...]], ...] = (
    (
        b"PK",
        0,
        (
            "application/zip",
            "application/epub+zip",
            "application/java-archive",
            f"{_OFFICE}wordprocessingml.document",
            f"{_OFFICE}spreadsheetml.sheet",
            f"{_OFFICE}presentationml.presentation",
            f"{_OPEN}text",
            f"{_OPEN}spreadsheet",
            f"{_OPEN}presentation",
        ),
    ),
    (
        b"\xd0\xcf\x11\xe0",
        0,
        (
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
        ),
    ),
    (
        b"ftypheic",
        4,
        (
            "image/heic",
            "image/heif",
        ),
    ),
    (
        b"ftypmif1",
        4,
        (
            "image/heic",
            "image/heif",
            "image/avif",
        ),
    ),
    (b"ftypavif", 4, ("image/avif",)),
    (
        b"ftyp",
        4,
        (
            "video/mp4",
            "audio/mp4",
            "video/quicktime",
            "video/3gpp",
            "audio/3gpp",
        ),
    ),
    (
        b"\x1aE\xdf\xa3",
        0,
        (
            "video/webm",
            "audio/webm",
            "video/x-matroska",
            "audio/x-matroska",
        ),
    ),
    (
        b"OggS",
        0,
        (
            "audio/ogg",
            "video/ogg",
            "audio/opus",
        ),
    ),
    (
        b"ID3",
        0,
        (
            "audio/mpeg",
            "audio/aac",
            "audio/flac",
        ),
    ),
    (b"{\\rtf", 0, ("application/rtf",)),
    (b"%PDF-", 0, ("application/pdf",)),
    (
        b"\x89PNG\r\n\x1a\n",
        0,
        (
            "image/png",
            "image/apng",
        ),
    ),
    (b"\xff\xd8\xff", 0, ("image/jpeg",)),
    (b"GIF8", 0, ("image/gif",)),
    (b"WEBP", 8, ("image/webp",)),
    (b"WAVE", 8, ("audio/wav",)),
    (b"AVI ", 8, ("video/x-msvideo",)),
    (b"fLaC", 0, ("audio/flac",)),
    (b"BM", 0, ("image/bmp",)),
    (b"II*\0", 0, ("image/tiff",)),
    (b"MM\0*", 0, ("image/tiff",)),
    (b"\x1f\x8b", 0, ("application/gzip",)),
)
_SIGNED = frozenset(kind for _, _, types in _GROUPS for kind in types) - {
    "audio/mpeg",
    "audio/aac",
    "image/apng",
}
"""Types whose files always begin with one of the signatures above (raw MPEG and AAC frames need not)."""
_EXTRA_EXTENSIONS = {
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".rtf": "application/rtf",
    ".epub": "application/epub+zip",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".avif": "image/avif",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".odt": f"{_OPEN}text",
    ".ods": f"{_OPEN}spreadsheet",
    ".odp": f"{_OPEN}presentation",
}


class ContentRules:
    """``allowed`` maps a family's rule name (``documents``, ``generation`` …) to types or wildcards
    (``image/*``).

    A name without an entry takes any type.
    """

    def __init__(self, allowed: Mapping[str, Sequence[str]]) -> None:
        self._allowed = {name: tuple(patterns) for name, patterns in allowed.items()}

    def decide(self, spec: UploadSpec, head: bytes) -> str:
        """The type to store. Raises ContentTypeMismatch, ContentTypeNotAllowed."""
        declared = normalise(spec.content_type)
        if declared != GENERIC and declared not in _SIGNED and rule_name(spec.target) not in self._allowed:
            return declared  # nothing to compare with, and nothing to refuse
        detected = detect(head)
        if declared in _SIGNED and head and declared not in detected:
            shown = detected[0] if detected else "unknown"
            raise ContentTypeMismatch(
                f"the file was declared as {declared}, but its bytes are not (they look like: {shown})",
                metadata={"declared": declared, "detected": shown},
            )
        chosen = declared if declared != GENERIC else _choose(spec.filename, head, detected)
        self.check(spec.target, chosen)
        if detected and chosen not in detected and not _is_text(head):
            self.check(spec.target, detected[0])  # bytes of another kind under a harmless name
        if chosen.startswith("text/") and head and not _is_text(head):
            self.check(spec.target, GENERIC)  # no text, whatever it calls itself
        return chosen

    def check(self, target: UploadTarget, content_type: str) -> None:
        """Raises ContentTypeNotAllowed when the target's family does not take the type."""
        name = rule_name(target)
        patterns = self._allowed.get(name)
        if patterns is None or any(_matches(content_type, pattern) for pattern in patterns):
            return
        raise ContentTypeNotAllowed(
            f"{content_type} is not allowed for {name}; allowed: {', '.join(patterns)}",
            metadata={"detected": content_type, "allowed": ",".join(patterns)},
        )


def rule_name(target: UploadTarget) -> str:
    """The name of the target's rule: the folder for plain files, else the family."""
    family = target.WhichOneof("target") or ""
    if family != "file":
        return family
    folder = target.file.folder
    if folder == target_pb2.FILE_FOLDER_DOCUMENTS:
        return "documents"
    return "audio" if folder == target_pb2.FILE_FOLDER_AUDIO else "uploads"


def normalise(content_type: str) -> str:
    """Lower case, without parameters, aliases resolved; empty becomes application/octet-stream."""
    bare = content_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare, bare) or GENERIC


def hint(content_type: str) -> str:
    """A type that somebody else claims, as far as it helps: types with a signature are left to the bytes."""
    claimed = normalise(content_type)
    return "" if claimed in _SIGNED or claimed == GENERIC else claimed


def detect(head: bytes) -> tuple[str, ...]:
    """Every type that a file beginning with ``head`` may be, likeliest first; empty: no signature matches."""
    for signature, offset, types in _GROUPS:
        if head[offset : offset + len(signature)] == signature:
            return types
    return tuple(dict.fromkeys(normalise(name) for name in signatures.content_types(head)))


def _choose(filename: str, head: bytes, detected: tuple[str, ...]) -> str:
    """Nothing useful was declared: the name decides among what the bytes allow."""
    by_name = _by_extension(filename)
    if detected:
        return by_name if by_name in detected else detected[0]
    if by_name != GENERIC and by_name not in _SIGNED:
        return by_name
    return "text/plain" if head and _is_text(head) else GENERIC


def _by_extension(filename: str) -> str:
    dot = filename.rfind(".")
    extension = filename[dot:].lower() if dot >= 0 else ""
    return _EXTRA_EXTENSIONS.get(extension) or normalise(mimetypes.types_map.get(extension, ""))


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut in two at the end
    return True


def _matches(content_type: str, pattern: str) -> bool:
    if pattern.endswith("/*"):
        return content_type.startswith(pattern[:-1])
    return content_type == pattern
