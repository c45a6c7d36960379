"""Which build this is. The version is the same as in ``pyproject.toml``, the protocol that of the packages of
``protos/`` (both under test).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

VERSION: Final = "0.1.0"
#: Of the proto packages, `strongroom.storage.v1`: within it nothing changes that a caller could notice.
PROTOCOL: Final = "v1"
#: `git archive` writes the commit here (.gitattributes), and releases are built of what it gives out.
_ARCHIVED: str = "$Format:%H$"

#: Trailing metadata of grpc.health.v1's Check of a process, by the fields of ``Build``.
HEADERS: Final = {
    "version": "x-strongroom-version",
    "commit": "x-strongroom-commit",
    "protocol": "x-strongroom-protocol",
}


@dataclass(frozen=True, slots=True)
class Build:
    """What runs. ``commit``: empty where nobody has said it, as in a copy of the files without git."""

    version: str
    commit: str
    protocol: str


def this_build(commit: str = "") -> Build:
    """The build of this package. ``commit``: what the environment says (STRONGROOM_COMMIT), which an image
    knows and its files don't. A checkout is asked for its own.
    """
    archived = "" if _ARCHIVED.startswith("$") else _ARCHIVED
    return Build(VERSION, commit or archived or checked_out(Path(__file__).parents[1]), PROTOCOL)


@cache
def checked_out(root: Path) -> str:
    """The commit of the checkout that this folder is; empty where it is none, or git is away."""
    if not (root / ".git").exists():
        return ""
    import subprocess  # noqa: PLC0415 - for checkouts alone

    command = ["git", "-C", str(root), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def build_headers(build: Build) -> tuple[tuple[str, str], ...]:
    """A build as gRPC metadata; what is not known is left out."""
    values = {"version": build.version, "commit": build.commit, "protocol": build.protocol}
    return tuple((HEADERS[name], value) for name, value in values.items() if value)


def build_of(headers: Mapping[str, str]) -> Build | None:
    """The build that metadata tell of; None: a release from before they did."""
    found = {name: headers.get(header, "") for name, header in HEADERS.items()}
    return Build(**found) if found["version"] else None
