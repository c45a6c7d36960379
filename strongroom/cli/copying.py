"""``strongroom cp`` and ``strongroom mv``: copy and move files to paths, inside the store."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.session import Session
from strongroom.client.files import StoredFile
from strongroom.client.targets import AtPath

Source = Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")]
Destination = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="One of your paths; ending in /, it is a folder and the file keeps its name. / is the root.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")]


async def cp(session: Session, file: Source, path: Destination, force: Force = False) -> None:
    """Copy a file and its metadata to a path. The copy is private. Prints the key."""
    async with session.client() as client:
        source = await client.get(file)
        copied = await client.copy(
            source,
            AtPath(_place(source, await client.files.path(path))),
            metadata=source.user_metadata,
            if_generation_match=None if force else 0,
        )
        session.output.result(shown.name(copied.key), file_document(copied))


async def mv(session: Session, file: Source, path: Destination, force: Force = False) -> None:
    """Move a file to a path, with its metadata and visibility. It gets a new id. Prints the key."""
    async with session.client() as client:
        source = await client.get(file)
        moved = await client.move(
            source, AtPath(_place(source, await client.files.path(path))), replace=force
        )
        session.output.result(shown.name(moved.key), file_document(moved))


def _place(source: StoredFile, path: str) -> str:
    folder = "" if path == "/" else path
    return folder + source.filename if folder.endswith("/") or not folder else folder
