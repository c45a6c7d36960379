"""``strongroom profile-picture``: stores and shows the user's profile picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.each import show, store_each
from strongroom.cli.get import get as get_file
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.cli.stat import show_all
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile, Visibility
from strongroom.client.uploads import Progress


async def put(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A picture.")],
    public: Annotated[
        bool, typer.Option("--public", help="Anyone may read it through its permanent URL.")
    ] = False,
) -> ExitCode:
    """Store your profile picture, replacing the one before. Prints its key."""
    visibility = Visibility.PUBLIC if public else None

    async def store(client: AsyncClient, source: Path, report: Progress) -> StoredFile:
        return await client.event_media.set_profile_picture(source, visibility=visibility, on_progress=report)

    return await store_each(session, [source], store)


async def stat(session: Session) -> None:
    """Show your profile picture, as `strongroom stat`."""
    async with session.client() as client:
        show_all(session, await client.event_media.get_profile_picture())


async def get(
    session: Session,
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="As for `strongroom get`.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing file of that name in the folder.")
    ] = False,
) -> ExitCode:
    """Download your profile picture. Prints where it was written."""
    async with session.client() as client:
        picture = await client.event_media.get_profile_picture()
    return await get_file(session, picture.key, destination, force=force)


async def rm(session: Session) -> None:
    """Delete your profile picture. Prints its key."""
    async with session.client() as client:
        show(session, await client.event_media.delete_profile_picture())
