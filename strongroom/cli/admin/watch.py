"""``strongroom admin watch``: prints events of all users as they happen."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli.notify import show_events
from strongroom.cli.session import Session


async def watch(
    session: Session,
    *,
    resume: Annotated[
        str, typer.Option("--from", metavar="ID", help="Start after this event; default: now.")
    ] = "",
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after this many.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="file-ready, file-deleted, …; may be repeated."),
    ] = None,
    families: Annotated[
        list[str] | None, typer.Option("--family", help="generation, project, …; may be repeated.")
    ] = None,
    users: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="Only this user's; may be repeated.")
    ] = None,
) -> None:
    """Print events of all users until interrupted: time, user, type, subject, id. Misses none."""
    wanted = {"types": types or (), "families": families or (), "user_ids": users or ()}
    async with session.client() as client:
        await show_events(session, client.admin.watch(resume, **wanted), count, of_all=True)
