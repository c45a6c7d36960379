"""The build that is running.

The version is that of ``pyproject.toml``, the protocol that of the packages in ``protos/`` (both are tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

VERSION: Final = "0.1.0"
#: Of the proto packages, as in `strongroom.storage.v1`. Within it, no change breaks callers.
PROTOCOL: Final = "v1"
#: `git archive` replaces this by the commit (.gitattributes), and releases are built from its output.
_ARCHIVED: str = "$Format:%H$"

#: Trailing metadata of grpc.health.v1's Check of a process, by the fields of ``Build``.
HEADERS: Final = {
    "version": "x-strongroom-version",
    "commit": "x-strongroom-commit",
    "protocol": "x-strongroom-protocol",
}


@dataclass(frozen=True, slots=True)
class Build:
    """A build. ``commit`` is empty if unknown, as in a copy of the files without git."""

    version: str
    commit: str
    protocol: str


def this_build(commit: str = "") -> Build:
    """Return the build of this package.

    ``commit``: from the environment (STRONGROOM_COMMIT), for images, whose files don't contain it. In a
    checkout git is asked.
    """
    archived = "" if _ARCHIVED.startswith("$") else _ARCHIVED
    return Build(VERSION, commit or archived or checked_out(Path(__file__).parents[1]), PROTOCOL)


@cache
def checked_out(root: Path) -> str:
    """Return the commit of a checkout; empty if the folder isn't one, or git is missing."""
    if not (root / ".git").exists():
        return ""
    import subprocess  # noqa: PLC0415 - only needed in checkouts

    command = ["git", "-C", str(root), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def build_headers(build: Build) -> tuple[tuple[str, str], ...]:
    """Return a build as gRPC metadata, without unknown values."""
    values = {"version": build.version, "commit": build.commit, "protocol": build.protocol}
    return tuple((HEADERS[name], value) for name, value in values.items() if value)


def build_of(headers: Mapping[str, str]) -> Build | None:
    """Return the build in the metadata, or None for a release that doesn't send it."""
    found = {name: headers.get(header, "") for name, header in HEADERS.items()}
    return Build(**found) if found["version"] else None
