"""Rules of the names that callers give: of a file, and of a path of their choice (files at a path, files of a
project), the one user text inside an S3 key as it is. The services hold them; who plans a move asks first.

Rules of paths: relative, `/` between segments, no `.`, `..` or empty segment, NFC, at most 1,024 bytes
(rest.md D). Characters that a listing in XML cannot carry, or that some system takes for a separator, are
refused.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from strongroom.errors import InvalidField, PathInvalid

#: As file systems of desktops count (NTFS, APFS); up to 1,020 bytes of UTF-8.
MAX_CHARACTERS: Final = 255
MAX_BYTES: Final = 1024
_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\\\\]")


def clean_filename(given: str) -> str:
    """The name without folders (slash or backslash), otherwise as given; `""` when nothing usable is left.

    Raises InvalidField for more than 255 characters and for NUL.
    """
    name = re.split(r"[/\\]", given)[-1]
    if name in {"", ".", ".."}:
        return ""
    if "\0" in name:
        raise InvalidField(
            "The file name holds a NUL character; remove it.", field="filename", rule="string.no_nul"
        )
    if len(name) > MAX_CHARACTERS:
        raise InvalidField(
            f"The file name is longer than {MAX_CHARACTERS} characters; shorten it.",
            field="filename",
            rule="string.max_len",
        )
    return name


def as_stored(key: str) -> str:
    """A key, or the beginning of one, in the form that keys are stored in. Paths are in NFC, in whichever
    form a caller's file system has names.
    """
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def normal_path(given: str) -> str:
    """The path in NFC. Raises PathInvalid {path, rule} naming the rule it breaks."""
    path = unicodedata.normalize("NFC", given)
    if not path:
        raise _invalid(given, "not_empty", "The path is empty; name a file.")
    if len(path.encode()) > MAX_BYTES:
        raise _invalid(given, "max_bytes", f"The path is longer than {MAX_BYTES} bytes of UTF-8; shorten it.")
    if _REFUSED.search(path):
        raise _invalid(
            given, "characters", "The path holds a control character or a backslash; use `/` and plain text."
        )
    segments = path.split("/")
    if "" in segments:
        raise _invalid(
            given, "empty_segment", "The path begins or ends with `/` or holds `//`; make it relative."
        )
    if {".", ".."} & set(segments):
        raise _invalid(given, "dot_segment", "The path holds a `.` or `..` segment; write it out.")
    return path


def key_too_long(path: str, limit: int) -> PathInvalid:
    """The path is fine by itself, but not with what stands before it in the S3 key."""
    return _invalid(
        path, "max_key_bytes", f"With its prefix the path is longer than {limit} bytes; shorten it."
    )


def _invalid(path: str, rule: str, message: str) -> PathInvalid:
    # Escaped and cut: this text travels in headers and logs.
    return PathInvalid(message, metadata={"path": ascii(path)[1:-1][:200], "rule": rule})
