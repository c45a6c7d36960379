"""A folder with everything that a user has stored: complete, comparable, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.belongings import project
from tests.integration.sdk.shell import Shell


@pytest.fixture
def stored(shell: Shell, http: httpx.Client, tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Store some files and a project. Returns content by key."""

    def store() -> dict[str, bytes]:
        contents = {
            "a": b"one",
            "a/b.txt": b"two",
            "ü '$(x)'.txt": b"three",
            "d/" + "n" * 300: b"long",
            "empty": b"",
        }
        found: dict[str, bytes] = {}
        for path, content in contents.items():
            done = shell("put", "-", "--path", path, "--json", stdin=content)
            assert done.exit_code == 0, done.err
            found[done.documents[0]["key"]] = content
        assert http.post("/api/projects/save", json=project("site")).status_code in {200, 201}
        return found

    return store


def manifest(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]


def test_everything_is_there_and_named(
    shell: Shell, stored: Callable[[], dict[str, bytes]], tmp_path: Path
) -> None:
    contents, root = stored(), tmp_path / "mine"
    done = shell("export", "-o", f"{root}/", "--json")
    assert done.exit_code == 0, done.err
    (summary,) = done.documents
    assert (summary["files"], summary["projects"], summary["lost"]) == (5, 1, 0)
    lines = manifest(root)
    files = {line["key"]: line for line in lines if line["kind"] == "file"}
    assert set(files) == set(contents)
    for key, content in contents.items():
        assert (root / files[key]["path"]).read_bytes() == content
        assert files[key]["sha256"] == hashlib.sha256(content).hexdigest()
    (site,) = [line for line in lines if line["kind"] == "project"]
    for file in site["files"]:
        content = (root / site["path"] / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_a_second_run_fetches_what_is_missing_or_spoiled(
    shell: Shell, stored: Callable[[], dict[str, bytes]], tmp_path: Path
) -> None:
    contents, root = stored(), tmp_path / "mine"
    done = shell("export", "-o", f"{root}/")
    assert done.exit_code == 0, done.err
    assert "not in a folder: older versions of projects, soft-deleted files, shares and webhooks" in done.err
    (again,) = shell("export", "-o", f"{root}/", "--json").documents
    assert (again["files"], again["fetched"]) == (5, 0)
    paths = {line["key"]: root / line["path"] for line in manifest(root) if line["kind"] == "file"}
    first, second, *_ = paths.values()
    first.unlink()
    second.write_bytes(b"x" * len(second.read_bytes()) or b"x")
    (mended,) = shell("export", "-o", f"{root}/", "--json").documents
    assert mended["fetched"] == 2
    assert {key: path.read_bytes() for key, path in paths.items()} == contents
