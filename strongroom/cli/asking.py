"""Whether somebody means it: what changes something asks, or takes ``--yes``."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer

from strongroom.cli.problems import UsageProblem

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Return if it is meant.

    :raises UsageProblem: it is not, or nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(f"{question} There is no terminal to ask on: add --yes to confirm")
    if not typer.confirm(question, err=True):
        raise UsageProblem("nothing was changed")


def confirm_here(question: str, *, yes: bool) -> None:
    """As ``confirm``, but scripts are not asked: of what is the caller's own, a line of a script is meant.

    :raises UsageProblem: it is not meant.
    """
    if sys.stdin.isatty():
        confirm(question, yes=yes)
