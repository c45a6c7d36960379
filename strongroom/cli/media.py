"""``strongroom media``: photos, videos and documents of events; ``strongroom profile-picture``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.files import show_all
from strongroom.cli.get import get
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode
from strongroom.cli.retention_options import DeleteAfter, Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.rm import Soft
from strongroom.cli.session import Session
from strongroom.cli.tally import change_each, show, store_each
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile, Visibility
from strongroom.client.uploads import Progress

Event = Annotated[str, typer.Argument(metavar="EVENT", help="UUID of the event.")]
Public = Annotated[bool, typer.Option("--public", help="Anyone may read it through its permanent URL.")]


async def put(
    session: Session,
    event: Event,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Files to store.")],
    *,
    title: Annotated[str, typer.Option(help="Title.")] = "",
    description: Annotated[str, typer.Option(help="Description.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None,
    public: Public = False,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
) -> ExitCode:
    """Store media of an event. Prints the key of each."""
    visibility = Visibility.PUBLIC if public else None
    retention = wish_of(keep, delete_after, hold)

    async def store(client: AsyncClient, source: Path, report: Progress) -> StoredFile:
        return await client.event_media.put(
            source,
            event,
            title,
            description,
            tags or (),
            visibility=visibility,
            retention=retention,
            storage_class=class_of(storage_class),
            on_progress=report,
        )

    return await store_each(session, sources, store)


async def list_(
    session: Session,
    event: Event,
    *,
    content_type: Annotated[str, typer.Option("--type", help="Exact, or a wildcard (image/*).")] = "",
    tag: Annotated[str, typer.Option(help="Only with this tag.")] = "",
) -> None:
    """List an event's media, newest first: size, time, id, key, title, tags."""
    async with session.client() as client:
        async for file in client.event_media.list(event, content_type=content_type, tag=tag):
            details = file.event_media
            title = shown.name(details.title) if details and details.title else "-"
            labels = " ".join(f"#{shown.line(tag)}" for tag in details.tags) if details else ""
            session.output.result(
                f"{shown.size(file.size):>10}  {shown.time(file.created_at)}  {file.id}"
                f"  {shown.name(file.key)}  {title}  {labels}".rstrip(),
                file_document(file),
            )


async def rm(
    session: Session,
    event: Event,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Keys or ids of its media.")],
    *,
    soft: Soft = False,
) -> ExitCode:
    """Delete media of an event. Prints the key of each."""
    return await change_each(
        session, files, lambda client, name: client.event_media.delete(event, name, soft=soft)
    )


async def put_picture(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A picture.")],
    public: Public = False,
) -> ExitCode:
    """Store your profile picture, replacing the one before. Prints its key."""
    visibility = Visibility.PUBLIC if public else None

    async def store(client: AsyncClient, source: Path, report: Progress) -> StoredFile:
        return await client.event_media.set_profile_picture(source, visibility=visibility, on_progress=report)

    return await store_each(session, [source], store)


async def show_picture(session: Session) -> None:
    """Show your profile picture, as `strongroom stat`."""
    async with session.client() as client:
        show_all(session, await client.event_media.get_profile_picture())


async def get_picture(
    session: Session,
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="As for `strongroom get`.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing file of that name in the folder.")
    ] = False,
) -> ExitCode:
    """Download your profile picture. Prints where it was written."""
    async with session.client() as client:
        picture = await client.event_media.get_profile_picture()
    return await get(session, picture.key, destination, force=force)


async def rm_picture(session: Session) -> None:
    """Delete your profile picture. Prints its key."""
    async with session.client() as client:
        show(session, await client.event_media.delete_profile_picture())
