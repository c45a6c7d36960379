"""``strongroom trash``: lists and purges files deleted by ``rm --soft``."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.asking import Yes, confirm_here
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session, Tally, first
from strongroom.client.files import Family, StoredFile

OfFamily = Annotated[Family | None, typer.Option(help="Only this family.")]


async def list_(
    session: Session,
    family: OfFamily = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """List the trash, last deleted first: size, end, id, key, name."""
    async with session.client() as client, aclosing(first(client.trash(family=family), limit)) as found:
        async for file in found:
            session.output.result(_line(file), file_document(file))


async def purge(
    session: Session,
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="Ids, or keys.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Everything in the trash.")] = False,
    family: OfFamily = None,
    yes: Yes = False,
) -> ExitCode:
    """Delete files in the trash for good. Prints the key of each or, with --all, how many there were.

    On a terminal --all asks first.
    """
    if bool(files) == everything:
        raise UsageProblem("name files of the trash, or use --all")
    if everything:
        which = f"all {family} files" if family else "all"
        confirm_here(f"Delete {which} in the trash for good?", yes=yes)
    tally = Tally(session)
    async with session.client() as client:
        if everything:
            gone = await client.empty_trash(family=family)
            text = f"{shown.count(gone.files, 'file')}, {shown.size(gone.size)}"
            session.output.result(text, {"purged": gone.files, "bytes": gone.size})
        for name in files or ():
            try:
                file = await client.purge(name)
            except errors.StrongroomError as error:
                tally.failed(error, name)
            else:
                session.output.result(shown.name(file.key), file_document(file))
    return tally.exit_code


def _line(file: StoredFile) -> str:
    until, names = shown.time(file.purge_at), f"{shown.name(file.key)}  {shown.name(file.filename)}"
    return f"{shown.size(file.size):>10}  {until}  {file.id}  {names}"
