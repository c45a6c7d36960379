"""Runs the command line in this process, with a given environment."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from strongroom.cli.app import app

# The runner builds the whole command tree for each call, which takes half of a call's time here.
vars(importlib.import_module("typer.testing"))["_get_command"] = functools.cache(get_command)


@dataclass(frozen=True)
class Outcome:
    """The output of a command, and how it ended."""

    exit_code: int
    out: str
    err: str
    raw: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()

    @property
    def documents(self) -> list[Any]:
        """The documents of ``--json``."""
        return [json.loads(line) for line in self.lines]


@dataclass(frozen=True)
class Shell:
    """``environ``: the environment of all commands, besides PATH and the like."""

    environ: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: bytes | None = None, **environ: str) -> Outcome:
        """Run one command, with ``environ`` added."""
        done = CliRunner().invoke(
            app, list(arguments), input=stdin, env={**self.environ, **environ}, catch_exceptions=False
        )
        return Outcome(done.exit_code, done.stdout, done.stderr, done.stdout_bytes)
