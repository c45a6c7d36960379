"""File names that somebody else chose, made fit for the local file system."""

from __future__ import annotations

import unicodedata

MAX_BYTES = 200
#: Not allowed on Windows, or with a meaning of their own in paths.
FORBIDDEN = set('/\\:*?"<>|')
RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10))}


def fit(name: str) -> str:
    """``name`` as one for a file in a folder: never a path, hidden, reserved, or with control characters; at
    most ``MAX_BYTES`` of UTF-8. Empty when nothing of it is left.
    """
    kept = "".join("_" if _is_unfit(char) else char for char in name.strip())
    if kept.startswith("."):
        kept = "_" + kept[1:]
    kept = kept.rstrip(". ")
    if kept.split(".", 1)[0].lower() in RESERVED:
        kept = "_" + kept
    return _shortened(kept) if kept.strip("_.") else ""


def _is_unfit(char: str) -> bool:
    """Controls, format characters (they turn the reading direction round), surrogates, separators."""
    return char in FORBIDDEN or unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _shortened(name: str) -> str:
    """At most ``MAX_BYTES`` of UTF-8, the extension kept."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        stem, dot, extension = name, "", ""
    room = MAX_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + extension
