"""The console's files, read once: the page, and the files it loads under a name that changes with any of
them.

Modules refer to each other by relative paths. So one folder named after the hash of everything makes all of
them immutable for caches, without a build step that writes hashes into file names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
PAGE: Final = "index.html"
#: Content types by file extension. Other files of the folder (such as licences) are not served.
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VERSION: Final = b"{version}"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file. ``content_type`` as sent, ``etag`` without quotes."""

    body: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """``page``: the HTML, which names ``version``. ``files``: the files it loads, by path in the folder."""

    version: str
    page: StaticFile
    files: dict[str, StaticFile]


@cache
def bundle() -> Bundle:
    """All files of the console, some 300 KB; they stay in memory."""
    found = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }
    page = (FOLDER / PAGE).read_bytes()
    everything = hashlib.sha256(page)
    for name, body in found.items():
        everything.update(f"\0{name}\0{len(body)}\0".encode() + body)
    version = everything.hexdigest()[:16]
    files = {name: _file(body, TYPES[Path(name).suffix]) for name, body in found.items()}
    return Bundle(version, _file(page.replace(_VERSION, version.encode()), "text/html; charset=utf-8"), files)


def _file(body: bytes, content_type: str) -> StaticFile:
    return StaticFile(body, content_type, hashlib.sha256(body).hexdigest()[:32])
