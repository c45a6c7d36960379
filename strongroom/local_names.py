"""Makes file names that other people chose safe for the local file system."""

from __future__ import annotations

import unicodedata

MAX_BYTES = 200
#: Not allowed on Windows, or special in paths.
FORBIDDEN = set('/\\:*?"<>|')
RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10))}


def fit(name: str) -> str:
    """Return ``name`` as a file name: never a path, hidden, reserved, or with control characters.

    At most ``MAX_BYTES`` of UTF-8. Empty if no usable character is left.
    """
    kept = "".join("_" if _is_unfit(char) else char for char in name.strip())
    if kept.startswith("."):
        kept = "_" + kept[1:]
    kept = kept.rstrip(". ")
    if kept.split(".", 1)[0].lower() in RESERVED:
        kept = "_" + kept
    return _shortened(kept) if kept.strip("_.") else ""


def _is_unfit(char: str) -> bool:
    """Whether it is a control or format character (those reverse the reading direction), surrogate or
    separator.
    """
    return char in FORBIDDEN or unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _shortened(name: str) -> str:
    """Return at most ``MAX_BYTES`` of UTF-8, with the extension."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        stem, dot, extension = name, "", ""
    room = MAX_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + extension
