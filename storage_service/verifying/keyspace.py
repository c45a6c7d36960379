"""Which keys of the bucket are ours; nothing else is counted, judged or touched.

metadata_service/files/layouts.py makes them. Generations begin with their owner, so they are told by their
second segment.
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
"""What Strongroom keeps of its own in the bucket: whose it is, and what is in quarantine. No object of
anybody's.
"""
PROJECTS: Final = "projects/"
"""Only below it does Strongroom itself make delete markers: a path that the newest version no longer has."""


def is_ours(key: str) -> bool:
    """Whether Strongroom may have made this key."""
    first, slash, rest = key.partition("/")
    if not slash or not rest:
        return False
    if first in ROOTS:
        return True
    kind, slash, name = rest.partition("/")
    return kind in GENERATIONS and bool(name) and "/" not in name
