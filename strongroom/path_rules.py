"""Rules of names that callers choose: of files, and of paths (files at a path, files of a project).

Paths are the only user text that is contained unchanged in an S3 key. The services enforce the rules;
planning a move checks them in advance.

Rules of paths: relative, `/` between segments, no `.`, `..` or empty segment, NFC, at most 1,024 bytes
(rest.md D). Characters that a listing in XML can't represent, or that some system takes for a separator, are
refused.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from strongroom.errors import InvalidField, PathInvalid

#: The limit of desktop file systems (NTFS, APFS); up to 1,020 bytes of UTF-8.
MAX_CHARACTERS: Final = 255
MAX_BYTES: Final = 1024
_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\\\\]")


def clean_filename(given: str) -> str:
    """Return the name without folders (slash or backslash), otherwise unchanged; `""` if nothing usable is
    left.

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
    """Return a key or path, or a prefix of one, in the stored form: NFC, whichever form the caller's file
    system uses.
    """
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def normal_path(given: str) -> str:
    """Return the path in NFC. Raises PathInvalid {path, rule} with the broken rule."""
    path = as_stored(given)
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
    """Return the error for a valid path that is too long together with the prefix of its S3 key."""
    return _invalid(
        path, "max_key_bytes", f"With its prefix the path is longer than {limit} bytes; shorten it."
    )


def _invalid(path: str, rule: str, message: str) -> PathInvalid:
    # escaped and cut, because this text is sent in headers and logged
    return PathInvalid(message, metadata={"path": ascii(path)[1:-1][:200], "rule": rule})
