"""Every command line on a page exists: its words are commands, with known options."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from strongroom.cli.app import app
from tests.stack import CHECKOUT

#: Decision records, which contain the commands of their time.
PAST: Final = ("docs/decisions/", "CHANGELOG.md")
#: Commands that hand their words on, and the program that takes them.
HANDED_ON: Final = {"serve": "strongroom_server", "up": "devstack", "reindex": "metadata_service"}
_BLOCK: Final = re.compile(r"^ *```(?:sh|bash|shell|console|)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_OTHER_BLOCK: Final = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`([^`\n]+)`")
#: Where a command begins: a line, a prompt, a pipe, a list or a substitution; variables may stand before it.
_BEGIN: Final = re.compile(
    r"(?:^|\$ |[|;(] *|&& *|\bdo |\bthen )(?:\w+=\S* )*"
    r"((?:\S*/)?strongroom|(?:\S*/)?python3? -m [\w.]+)(?= |$)(.*)"
)
_OPTION: Final = re.compile(r"(?<![\w-])(--?[a-zA-Z][\w-]*)")


def pages() -> list[str]:
    found = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").rglob("*.md")]
    names = [str(path.relative_to(CHECKOUT)) for path in found]
    return sorted(name for name in names if not name.startswith(PAST))


def command_lines(text: str) -> Iterator[tuple[str, str]]:
    """Each command (``strongroom`` or ``python -m module``) with the words after it."""
    shown = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    shown += _INLINE.findall(_OTHER_BLOCK.sub("", text))
    for line in shown:
        rest: str | None = line.strip()
        while rest and (begin := _BEGIN.search(rest)):
            words = re.split(r" #| \||[;)>]|&&", begin[2], maxsplit=1)
            yield begin[1].rpartition("/")[2], words[0].strip()
            rest = begin[2][len(words[0]) :]


@cache
def program() -> Any:
    return get_command(app)


def fault_of_cli(words: list[str]) -> str:
    """Describe what is wrong with the words after ``strongroom``; empty: nothing."""
    command, context, at = program(), typer.Context(program()), 0
    known = _options(command)
    while isinstance(command, TyperGroup) and at < len(words) and re.fullmatch(r"[a-z][a-z-]*", words[at]):
        found = command.get_command(context, words[at])
        if found is None:
            return f"no command {' '.join(words[: at + 1])}"
        if words[at] in HANDED_ON and at == 0:
            return fault_of_module(HANDED_ON[words[at]], words[1:])
        command, at = found, at + 1
        known |= _options(command)
    strange = [option for option in _OPTION.findall(" ".join(words)) if option not in known]
    return f"no option {', '.join(strange)}" if strange else ""


def _options(command: Any) -> set[str]:
    names = {"--help", "-h"}
    for parameter in command.params:
        names |= {*parameter.opts, *parameter.secondary_opts}
    return names


@cache
def source(module: str) -> str:
    """The texts of a module, or of a package beside each other; empty: there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return ""
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))] or [Path(str(spec.origin))]
    return "".join(path.read_text("utf-8") for path in files)


def fault_of_module(module: str, words: list[str]) -> str:
    """Describe what is wrong with the words after ``python -m module``: its subcommand and options must be
    literals of the module.
    """
    text = source(module)
    if not text:
        return f"no module {module}"
    wanted = _OPTION.findall(" ".join(words))
    if words and re.fullmatch(r"[a-z][a-z-]+", words[0]):
        wanted.append(words[0])
    return "".join(f"{module} knows no {one}" for one in wanted if f'"{one}"' not in text)


def fault(command: str, words: list[str]) -> str:
    if command == "strongroom":
        return fault_of_cli(words)
    module = command.split(" -m ")[1]
    ours = (CHECKOUT / module.partition(".")[0]).is_dir()
    return fault_of_module(module, words) if ours else ""


@pytest.mark.parametrize(
    ("command", "words", "wrong"),
    [
        ("strongroom", "verify quarantine --nonsense", "--nonsense"),
        ("strongroom", "verfy", "no command verfy"),
        ("strongroom", "admin attempts retrie", "no command admin attempts retrie"),
        ("strongroom", "serve --target storage --wrokers 4", "--wrokers"),
        ("python -m storage_service", "bucket init", ""),
        ("python -m metadata_service", "migrat", "migrat"),
        ("python -m devstck", "up", ""),
        ("python -m scripts.no_such_thing", "", "no module"),
        ("strongroom", "ls --json uploads/", ""),
    ],
)
def test_a_fault_is_seen(command: str, words: str, wrong: str) -> None:
    found = fault(command, words.split())
    assert wrong in found
    assert bool(found) == bool(wrong)


def test_commands_are_found() -> None:
    page = "Say `strongroom ls`.\n```sh\nX=1 strongroom get a | jq && strongroom rm b   # gone\n```\n"
    assert list(command_lines(page)) == [
        ("strongroom", "get a"),
        ("strongroom", "rm b"),
        ("strongroom", "ls"),
    ]


@pytest.mark.parametrize("page", pages())
def test_every_command_of_a_page_exists(page: str) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    faults = [
        f"{command} {words}: {wrong}"
        for command, words in command_lines(text)
        if (wrong := fault(command, words.split()))
    ]
    assert faults == []
