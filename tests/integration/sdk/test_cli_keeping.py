"""``--keep``, ``--delete-after``, ``--hold``, ``--storage-class`` of every command that stores files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from strongroom.metadata.v1 import file_pb2, target_pb2
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.shell import Shell

EVENT = "7e57d004-2b97-4e7a-b45f-5387367791cd"
#: Arguments of each command; `{}` is a folder with one file, `a.txt`.
COMMANDS = {
    "put": ["put", "{}/a.txt"],
    "put -r": ["put", "-r", "{}"],
    "put --path": ["put", "{}/a.txt", "--path", "x/a.txt"],
    "sync": ["sync", "{}", "x", "--apply"],
    "generation put": ["generation", "put", "{}/a.txt"],
    "media put": ["media", "put", EVENT, "{}/a.txt"],
    "share drop": ["share", "drop", "--path", "in"],
    "project save": ["project", "save", "{}"],
    "project patch": ["project", "patch", "site", "{}/a.txt", "--root", "{}"],
}
OF_PROJECTS = ("project save", "project patch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("text")
    return tmp_path


@pytest.fixture
def specs(state: State, monkeypatch: pytest.MonkeyPatch) -> list[target_pb2.UploadSpec]:
    """The specs that the fakes received."""
    kept: list[target_pb2.UploadSpec] = []
    commit = state.commit

    def noting(owner: str, spec: target_pb2.UploadSpec, data: bytes) -> file_pb2.File:
        kept.append(spec)
        return commit(owner, spec, data)

    monkeypatch.setattr(state, "commit", noting)
    return kept


def words(command: str, folder: Path) -> Sequence[str]:
    return [word.replace("{}", str(folder)) for word in COMMANDS[command]]


@pytest.mark.parametrize("command", ["put", "put -r", "put --path", "sync"])
def test_the_options_travel(
    shell: Shell, folder: Path, specs: list[target_pb2.UploadSpec], command: str
) -> None:
    wish = (
        "--keep",
        "90d",
        "--delete-after",
        "2101-01-31",
        "--hold",
        "case 7",
        "--storage-class",
        "glacier-ir",
    )
    done = shell(*words(command, folder), *wish)
    assert done.exit_code == 0, done.err
    (spec,) = specs
    assert spec.retention.keep_for.ToTimedelta().days == 90
    assert spec.retention.delete_after_time.ToDatetime().year == 2101
    assert (spec.retention.hold_reason, spec.storage_class) == ("case 7", "GLACIER_IR")


#: Option, value, and the expected message.
MISTAKES = [
    ("--keep", "90", "90d for days"),
    ("--keep", "", "--keep needs a time"),
    ("--keep", "2020-01-31", "is in the past"),
    ("--hold", "", "--hold needs a reason"),
    ("--delete-after", "yesterday", "is not a time"),
    ("--storage-class", "", "STANDARD_IA"),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]} {mistake[1]}")
def test_mistakes_store_nothing(
    shell: Shell, state: State, folder: Path, command: str, mistake: tuple[str, str, str]
) -> None:
    option, value, told = mistake
    done = shell(*words(command, folder), option, value)
    assert done.exit_code == 2
    unknown = command in OF_PROJECTS and option == "--delete-after"
    assert ("No such option" if unknown else told) in done.err
    assert state.calls == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("share", "create", "a", "--version", "3"), "--version is of a --project"),
        (("share", "update", "6e2b8c4e-0000-4000-8000-000000000001"), "nothing to change"),
        (("share", "drop", "--folder", "uploads", "--max-bytes", "0"), "takes nothing"),
        (("share", "drop", "--folder", "uploads", "--max-file-bytes", "0"), "takes nothing"),
        (("url", "a", "--expires", "0"), "not a positive time span"),
        (("webhooks", "update", "6e2b8c4e-0000-4000-8000-000000000001"), "nothing to change"),
    ],
)
def test_options_that_would_be_passed_over_are_mistakes(
    shell: Shell, command: tuple[str, ...], said: str
) -> None:
    done = shell(*command)
    assert (done.exit_code, done.out) == (2, "")
    assert said in done.err
