"""The locks agree with pyproject.toml, have hashes, and name no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
EXTRAS = {"server": ["server"], "embedded": ["server", "embedded"], "dev": ["server", "embedded", "dev"]}
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)


def declared(lock: str) -> list[Requirement]:
    """The requirements of pyproject.toml for this lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in EXTRAS[lock]:
        lines += project["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    return [wanted for wanted in found if wanted.name != project["name"]]  # an extra may hold another


def lock_text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")


def pins(lock: str) -> dict[str, set[str]]:
    """Locked versions by name; several where they differ by platform or Python."""
    found: dict[str, set[str]] = {}
    for name, version in PINNED.findall(lock_text(lock)):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("lock", EXTRAS)
def test_every_declared_package_is_locked_at_an_allowed_version(lock: str) -> None:
    locked = pins(lock)
    outside = [
        str(wanted)
        for wanted in declared(lock)
        if not locked.get(canonicalize_name(wanted.name))
        or not all(version in wanted.specifier for version in locked[canonicalize_name(wanted.name)])
    ]
    assert outside == [], "run `make lock` and commit requirements/"


@pytest.mark.parametrize("lock", [*EXTRAS, "docs"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", lock_text(lock), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", [*EXTRAS, "docs"])
def test_no_lock_says_where_packages_come_from(lock: str) -> None:
    assert (
        re.findall(r".*(?:://|--index-url|--extra-index-url|--find-links|--trusted-host).*", lock_text(lock))
        == []
    )


@pytest.mark.parametrize("lock", ["server", "embedded"])
def test_smaller_locks_agree_with_dev(lock: str) -> None:
    everything = pins("dev")
    assert {name: versions for name, versions in pins(lock).items() if everything.get(name) != versions} == {}
