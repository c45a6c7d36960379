"""``strongroom rm`` and ``strongroom undelete``."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.asking import Yes, confirm_here
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session, Tally
from strongroom.client.async_client import AsyncClient

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Keys or ids.")]


async def rm(
    session: Session,
    files: Files,
    *,
    soft: Annotated[
        bool,
        typer.Option("--soft", help="Move it to the trash, from where `strongroom undelete` brings it back."),
    ] = False,
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
    tally = Tally(session)
    async with session.client() as client:
        for name in files:
            try:
                file = await client.undelete(name)
            except errors.StrongroomError as error:
                tally.failed(error, name)
            else:
                session.output.result(shown.name(file.key), file_document(file))
    return tally.exit_code
