"""Reads the hashed locks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Package:
    """One line of a lock. ``name``: as in PyPI's URLs; ``marker``: where it is installed."""

    name: str
    version: str
    marker: str


def locked(root: Path, name: str) -> list[Package]:
    """The packages of ``requirements/<name>.txt``, by name; one entry for each version of a package."""
    found = []
    for line in (root / "requirements" / f"{name}.txt").read_text("utf-8").splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip(" \\"))
            (pin,) = requirement.specifier
            marker = str(requirement.marker or "")
            found.append(Package(canonicalize_name(requirement.name), pin.version, marker))
    return sorted(found, key=lambda package: (package.name, package.version))
