"""The files beside the wheel: bill of materials, notes, checksums, images."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

from scripts.release import building, images, notes, sbom
from scripts.release.building import Commit
from scripts.release.locks import locked
from strongroom.version import VERSION

ROOT = Path(__file__).resolve().parents[4]
COMMIT = Commit("4777bc1d39a6b49264d891e1c46c6ba65fc8c48f", 1_795_900_000)


def test_the_bill_names_what_the_servers_run_with() -> None:
    packages = locked(ROOT, "server")
    text = sbom.document(packages, COMMIT)
    assert text == sbom.document(packages, COMMIT)
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == VERSION
    assert bill["metadata"]["timestamp"].startswith("2026-11-28")
    of_psycopg = next(one for one in bill["components"] if one["name"] == "psycopg")
    assert of_psycopg["licenses"] == [{"expression": "LGPL-3.0-only"}]
    assert {one["name"] for one in bill["components"]} == {package.name for package in packages}
    needs = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert any(one.startswith("pkg:pypi/grpcio@") for one in needs["pkg:pypi/strongroom"])
    assert any(one.startswith("pkg:pypi/botocore@") for one in needs["pkg:pypi/boto3"])


CHANGES = """# Changelog

## [Unreleased]

- To come.

## [1.2.0] - 2026-01-02

### Added

- A [page](docs/a.md#part), [here](https://example.org/x), [below](#part).

## [1.1.0] - 2025-01-02

- Old.
"""


@pytest.mark.parametrize(
    ("version", "held", "missing"),
    [
        ("1.2.0", "/v1.2.0/docs/a.md#part), [here](https://example.org/x), [below](#part)", "Old"),
        ("1.1.0", "- Old.", "page"),
        ("2.0.0", "- To come.", "page"),
    ],
)
def test_notes_are_the_section_of_the_version(version: str, held: str, missing: str) -> None:
    text = notes.of_version(CHANGES, version)
    assert text.startswith(f"# Strongroom {version}\n\n")
    assert held in text
    assert missing not in text


def test_notes_without_a_section_are_refused() -> None:
    with pytest.raises(SystemExit, match=r"says nothing of 1\.0\.0"):
        notes.of_version("# Changelog\n", "1.0.0")
    assert VERSION in notes.of_version((ROOT / "CHANGELOG.md").read_text("utf-8"), VERSION)


def test_checksums_are_for_sha256sum(tmp_path: Path) -> None:
    made = tmp_path / "a.whl"
    made.write_bytes(b"wheel")
    assert building.checksums([made]) == f"{hashlib.sha256(b'wheel').hexdigest()}  a.whl\n"


def test_a_commit_that_is_none() -> None:
    with pytest.raises(SystemExit, match="no-such-tag is not a commit"):
        building.commit_of(ROOT, "no-such-tag")
    assert len(building.commit_of(ROOT, "HEAD").hash) == 40


@pytest.mark.parametrize("target", images.TARGETS)
def test_an_image_is_told_what_it_is(target: str) -> None:
    command = images.command("podman", target, COMMIT)
    told = [value for name, value in pairwise(command) if name == "--build-arg"]
    declared = (ROOT / "Dockerfile").read_text()
    assert all(f"ARG {one.partition('=')[0]}" in declared for one in told)
    assert "STRONGROOM_CREATED=2026-11-28T" in " ".join(told)
    assert f"strongroom-{target}:{VERSION}" in command
    assert f"FROM base AS {target}" in declared
