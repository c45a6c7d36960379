"""``strongroom rm``, ``undelete`` and ``trash``: delete files, restore those deleted by ``rm --soft``, list
and purge the trash.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Final

import typer

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm_here
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally, change_each, first
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import Family, StoredFile

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Keys or ids.")]
Soft = Annotated[
    bool,
    typer.Option("--soft", help="Move it to the trash, from where `strongroom undelete` brings it back."),
]
FAMILIES: Final = tuple(family for family in Family if family is not Family.UNKNOWN)


def _family(text: str) -> Family:
    if text not in FAMILIES:
        raise typer.BadParameter(f"'{text}' is not one of {', '.join(FAMILIES)}")
    return Family(text)


OfFamily = Annotated[
    Family | None, typer.Option(parser=_family, metavar="|".join(FAMILIES), help="Only this family.")
]


async def rm(
    session: Session,
    files: Files,
    *,
    soft: Soft = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Ignore missing files, and don't ask.")
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive", "-r", help="Delete folders with everything below them, each in one step."
        ),
    ] = False,
    yes: Yes = False,
) -> ExitCode:
    """Delete files. Prints the key of each; one that can't be deleted doesn't stop the others.

    On a terminal --recursive asks first, unless --soft keeps the files or --force is given.
    """
    if recursive and not soft:
        folders = ", ".join(map(shown.name, files))
        confirm_here(f"Delete {folders} with all below, for good?", yes=yes or force)
    tally = Tally(session)
    async with session.client() as client:
        for name in files:
            try:
                if recursive:
                    await _folder(session, client, name, soft=soft)
                    continue
                file = await client.delete(name, soft=soft)
            except errors.FileNotFound as error:
                if not force:
                    tally.failed(error, name)
            except errors.StrongroomError as error:
                tally.failed(error, name)
            else:
                session.output.result(shown.name(file.key), file_document(file))
    return tally.exit_code


async def _folder(session: Session, client: AsyncClient, folder: str, *, soft: bool) -> None:
    gone = await client.delete_folder(folder, soft=soft)
    text = f"{shown.name(folder)}  {shown.count(gone.files, 'file')}, {shown.size(gone.size)}"
    session.output.result(text, {"folder": folder, "deleted": gone.files, "bytes": gone.size})


async def undelete(session: Session, files: Files) -> ExitCode:
    """Restore soft-deleted files. Prints the key of each."""
    return await change_each(session, files, lambda client, name: client.undelete(name))


async def list_trash(
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
    if files:
        return await change_each(session, files, lambda client, name: client.purge(name))
    which = f"all {family} files" if family else "all"
    confirm_here(f"Delete {which} in the trash for good?", yes=yes)
    async with session.client() as client:
        gone = await client.empty_trash(family=family)
    text = f"{shown.count(gone.files, 'file')}, {shown.size(gone.size)}"
    session.output.result(text, {"purged": gone.files, "bytes": gone.size})
    return ExitCode.OK


def _line(file: StoredFile) -> str:
    until, names = shown.time(file.purge_at), f"{shown.name(file.key)}  {shown.name(file.filename)}"
    return f"{shown.size(file.size):>10}  {until}  {file.id}  {names}"
