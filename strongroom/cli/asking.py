"""Confirmation of changes, on the terminal or by ``--yes``."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer

from strongroom.cli.problems import UsageProblem

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation, unless ``yes``.

    :raises UsageProblem: it was denied, or there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(f"{question} There is no terminal to ask on: add --yes to confirm")
    if not typer.confirm(question, err=True):
        raise UsageProblem("nothing was changed")


def confirm_here(question: str, *, yes: bool) -> None:
    """Like ``confirm``, but scripts are not asked, because the command changes only the caller's own files.

    :raises UsageProblem: it was denied.
    """
    if sys.stdin.isatty():
        confirm(question, yes=yes)
