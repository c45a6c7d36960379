"""Which keys of the bucket belong to Strongroom; no others are counted, judged or touched.

metadata_service/files/layouts.py defines the keys. Keys of generations begin with their owner, so they are
recognized by their second segment.
"""

from __future__ import annotations

from typing import Final

ROOTS: Final = frozenset(
    {
        "audio",
        "documents",
        "events",
        "partials",
        "paths",
        "projects",
        "segments",
        "temp",
        "uploads",
        "users",
    }
)
GENERATIONS: Final = frozenset({"text-to-image", "text-to-video", "image-to-image", "image-to-video"})
OWN: Final = ".strongroom/"
"""Strongroom's internal objects: the bucket's installation, and the quarantine. No user's object is here."""
PROJECTS: Final = "projects/"
"""The only prefix below which Strongroom itself creates delete markers: for paths that the newest version of
a project no longer has.
"""


def is_ours(key: str) -> bool:
    """Whether Strongroom may have made this key."""
    first, slash, rest = key.partition("/")
    if not slash or not rest:
        return False
    if first in ROOTS:
        return True
    kind, slash, name = rest.partition("/")
    return kind in GENERATIONS and bool(name) and "/" not in name
