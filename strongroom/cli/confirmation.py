"""Confirmation of changes, on the terminal or by ``--yes``."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, TypeAlias

import typer

from strongroom.cli.interrupts import ending_at_once
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
    try:
        with ending_at_once():
            meant = typer.confirm(question, err=True)
    except typer.Abort as error:  # Ctrl-C; or Ctrl-D, which is no yes
        typer.echo(err=True)
        if isinstance(error.__context__, KeyboardInterrupt):
            raise asyncio.CancelledError from None
        meant = False
    if not meant:
        raise UsageProblem("nothing was changed")


def confirm_here(question: str, *, yes: bool) -> None:
    """Like ``confirm``, but scripts are not asked, because the command changes only the caller's own files.

    :raises UsageProblem: it was denied.
    """
    if sys.stdin.isatty():
        confirm(question, yes=yes)
