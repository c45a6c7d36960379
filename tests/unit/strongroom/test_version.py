"""The build: from the files of a release, else the environment, else unknown."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from strongroom import version
from strongroom.version import Build, build_headers, build_of, checked_out, this_build

ROOT = Path(__file__).resolve().parents[3]


def test_the_protocol_is_that_of_the_packages() -> None:
    packages = {folder.name for folder in (ROOT / "protos/strongroom").glob("*/*") if folder.is_dir()}
    assert packages == {version.PROTOCOL}


def test_what_git_archives_knows_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    git = ("git", "-C", str(ROOT))
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    # The rule that is being committed, not the one of HEAD.
    made = subprocess.run(
        [*git, "archive", "--worktree-attributes", "HEAD", "strongroom/version.py"],
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        text = archive.extractfile("strongroom/version.py")
        assert text is not None
        assert f'_ARCHIVED: str = "{head.stdout.strip()}"' in text.read().decode()
    assert this_build() == Build(version.VERSION, head.stdout.strip(), version.PROTOCOL)  # a checkout's
    monkeypatch.setattr(version, "_ARCHIVED", "4777bc1")
    assert this_build().commit == "4777bc1"
    assert this_build("e2a2196").commit == "e2a2196"


def test_files_without_git_know_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked_out(tmp_path) == ""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/.git").write_text("gitdir: /nowhere")
    assert checked_out(tmp_path / "broken") == ""
    monkeypatch.setenv("PATH", "")
    checked_out.cache_clear()
    assert checked_out(ROOT) == ""
    checked_out.cache_clear()


@pytest.mark.parametrize("commit", ["4777bc1", ""])
def test_headers_carry_a_build(commit: str) -> None:
    build = Build("1.2.3", commit, "v1")
    assert build_of(dict(build_headers(build))) == build
    assert build_of({"x-strongroom-reason": "off"}) is None
