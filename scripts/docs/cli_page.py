"""The command-line reference: commands, arguments and options, from the program itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, get_args

from typer.main import get_command

from scripts.docs.text import code, page, prose, table
from strongroom.cli.app import app
from strongroom.cli.commands import CONNECTION_OPTIONS, OUTPUT_OPTIONS

INTRODUCTION: Final = """Generated from the program; `strongroom COMMAND --help` shows the same.
For examples, exit codes and where it connects see [the command line](../cli.md)."""
_SHARED: Final = frozenset({*OUTPUT_OPTIONS, *CONNECTION_OPTIONS, "help"})
_MARKUP: Final = re.compile(r"\[/?(?:bold|dim|cyan|green|yellow|red)\]")


def written() -> str:
    """The page as Markdown."""
    root = get_command(app)
    context = root.make_context("strongroom", [], resilient_parsing=True)
    return page("The command line", INTRODUCTION, [*_shared(root), *_commands(root, context, "strongroom")])


def _shared(root: Any) -> Iterator[str]:
    yield "## Options of every command"
    yield "They can also come before the command. `token` does not connect."
    yield table(("option", "value", "meaning"), [_option(one) for one in root.params if one.name in _SHARED])


def _commands(group: Any, context: Any, path: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        inner = command.context_class(command, info_name=name, parent=context)
        yield f"## {path} {name}" if path == "strongroom" else f"### {path} {name}"
        yield prose(_MARKUP.sub("", command.help or ""))
        if hasattr(command, "list_commands"):
            own = [one for one in command.params if one.name not in _SHARED]
            yield table(("option", "value", "meaning"), map(_option, own))
            yield from _commands(command, inner, f"{path} {name}")
        else:
            usage = " ".join((f"{path} {name}", *command.collect_usage_pieces(inner)))
            yield f"```text\n{usage}\n```"
            named = [one for one in command.params if one.name not in _SHARED]
            yield table(("argument or option", "value", "meaning"), map(_option, named))


def _option(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        return code(one.metavar or one.name.upper()), "", one.help or ""
    names = ", ".join(code(name) for name in (*one.opts, *one.secondary_opts))
    return names, "" if one.is_flag else code(one.metavar or _kind(one)), one.help or ""


def _kind(one: Any) -> str:
    """The kind of an option's value: its choices, or its type."""
    kind = one.type_descriptor.annotation
    kinds = [part for part in get_args(kind) or (kind,) if part is not type(None)]
    words = [
        str(word.value)
        for part in kinds
        if isinstance(part, type) and issubclass(part, Enum)
        for word in part
    ]
    return "|".join(words) or "|".join(part.__name__.upper() for part in kinds if isinstance(part, type))
