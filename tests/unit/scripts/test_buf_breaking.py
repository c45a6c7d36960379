"""scripts/buf_breaking.py picks the right base, in any kind of clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import buf_breaking

BUF_YAML = "version: v2\nmodules:\n  - path: protos\nbreaking:\n  use:\n    - FILE\n"
FIELD = 'syntax = "proto3";\npackage strongroom.x.v1;\nmessage A {{ string {name} = 1; }}\n'


class Repository:
    """A throw-away git repository with one proto."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        (root / "buf.yaml").write_text(BUF_YAML)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, field: str | None) -> str:
        """Commit the proto with this field name (None: no proto); the commit's id."""
        if field is not None:
            path = self.root / "protos/strongroom/x/v1/a.proto"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FIELD.format(name=field))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(buf_breaking, "ROOT", tmp_path)
    return Repository(tmp_path)


def test_a_first_commit_has_nothing_to_break(repository: Repository) -> None:
    repository.commit("a")
    assert buf_breaking.base() is None
    assert buf_breaking.main([]) == 0


def test_a_base_without_protos_has_nothing_to_break(repository: Repository) -> None:
    repository.commit(None)
    repository.commit("a")
    assert buf_breaking.main([]) == 0


def test_on_main_the_parent_is_the_base(repository: Repository) -> None:
    parent = repository.commit("a")
    repository.commit("b")
    assert buf_breaking.base() == parent
    assert buf_breaking.main([]) == 100


def test_on_a_branch_the_merge_base_is_the_base(repository: Repository) -> None:
    fork = repository.commit("a")
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("a")
    repository.commit("b")
    assert buf_breaking.base() == fork
    assert buf_breaking.main([]) == 100


def test_the_newest_release_tag_wins(repository: Repository) -> None:
    repository.commit("a")
    repository.git("tag", "v0.9.0")
    repository.commit("b")
    repository.git("tag", "v0.10.0")
    repository.commit("b")
    assert buf_breaking.base() == "v0.10.0"
    assert buf_breaking.main([]) == 0
    assert buf_breaking.main(["--against", "v0.9.0"]) == 100
