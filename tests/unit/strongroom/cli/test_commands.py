"""Commands are built on demand."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from strongroom.cli import commands
from strongroom.cli.app import app
from strongroom.cli.commands import Commands, command
from strongroom.cli.session import Session


async def first(session: Session, word: str) -> None:
    """Say the word."""
    session.output.result(word, {"word": word})


async def second(session: Session) -> None:
    """Say nothing."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the commands that were made."""
    names: list[str] = []
    make = commands._made

    def noted(entry: Any, name: str, *rest: Any, **more: Any) -> Any:
        names.append(name)
        return make(entry, name, *rest, **more)

    monkeypatch.setattr(commands, "_made", noted)
    return names


@pytest.fixture
def program() -> Commands:
    program = Commands(name="program")
    command(program, "first", alias="1st", connects=False)(first)
    command(program.group("more", "And more."), "second", connects=False)(second)
    return program


def test_a_call_makes_the_command_that_it_names(program: Commands, made: list[str]) -> None:
    done = CliRunner().invoke(program, ["first", "hello"])
    assert (done.exit_code, done.stdout) == (0, "hello\n")
    assert made == ["first"]
    assert CliRunner().invoke(program, ["more", "second"]).exit_code == 0
    assert made == ["first", "second"]


def test_an_alias_does_the_same_and_is_not_listed(program: Commands) -> None:
    assert CliRunner().invoke(program, ["1st", "hello"]).stdout == "hello\n"
    listed = CliRunner().invoke(program, ["--help"]).stdout
    assert "Say the word." in listed
    assert "And more." in listed
    assert "1st" not in listed


def test_an_unknown_command_is_answered_with_its_neighbour(program: Commands, made: list[str]) -> None:
    done = CliRunner().invoke(program, ["frist"])
    assert done.exit_code == 2
    assert "first" in done.stderr
    assert made == []


def test_the_mapping_is_one_like_any_other(program: Commands) -> None:
    found: Any = get_command(program)
    assert list(found.commands) == ["first", "1st", "more"]
    assert len(found.commands) == 3
    assert "nothing" not in found.commands
    found.commands["extra"] = found.commands["first"]
    del found.commands["extra"]
    assert len(found.commands) == 3


@pytest.mark.parametrize(
    "asked", [["create", "a/b"], ["drop", "--path", "in"], ["update", "7e57d004-2b97-4e7a-b45f-5387367791cd"]]
)
def test_an_unset_variable_is_no_password(asked: list[str]) -> None:
    """``--password "$WORD"``: the share would be open to everybody."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["share", *asked, "--password", ""])
    assert (done.exit_code, "the password is empty" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (["upload", "a"], "strongroom put"),
        (["list"], "strongroom ls"),
        (["help"], "strongroom -h"),
        (["share", "remove"], "strongroom share rm"),
        (["generation", "download"], "No such command 'download'"),
    ],
)
def test_a_word_of_other_tools_is_answered_with_ours(asked: list[str], answer: str) -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, asked, prog_name="strongroom")
    assert done.exit_code == 2
    assert answer in done.stderr


@pytest.mark.parametrize("words", [["ls"], ["search"], ["trash", "ls"], ["trash", "purge", "--all"]])
def test_only_families_that_can_be_asked_for_are_taken(words: list[str]) -> None:
    refused = CliRunner().invoke(app, [*words, "--family", "unknown"])
    assert refused.exit_code == 2
    told = " ".join(refused.stderr.replace("│", " ").split())  # it stands in a box
    assert "is not one of file, generation, event-media" in told
