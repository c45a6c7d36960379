"""``strongroom admin watch``: what happens to everybody's files, as it happens."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.session import Session


async def watch(
    session: Session,
    *,
    resume: Annotated[
        str, typer.Option("--from", metavar="ID", help="Go on after this event; default: from now on.")
    ] = "",
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="file-ready, file-deleted, …; may be repeated."),
    ] = None,
    families: Annotated[
        list[str] | None, typer.Option("--family", help="generation, project, …; may be repeated.")
    ] = None,
    users: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="Theirs alone; may be repeated.")
    ] = None,
) -> None:
    """Print events of all users until interrupted: time, user, type, subject, id. Nothing is missed."""
    wanted = {"types": types or (), "families": families or (), "user_ids": users or ()}
    async with session.client() as client:
        seen = 0
        async with aclosing(client.admin.watch(resume, **wanted)) as events:
            async for event in events:
                session.output.result(
                    f"{shown.time(event.created_at)}  {shown.name(event.user_id)}  {event.type:<16}"
                    f"  {event.subject_id}  {shown.line(event.id)}",
                    {
                        "id": event.id,
                        "user_id": event.user_id,
                        "type": event.type,
                        "subject_id": event.subject_id,
                        "payload": event.payload,
                        "created_at": rfc3339(event.created_at),
                    },
                )
                sys.stdout.flush()  # a pipe is read while we wait
                seen += 1
                if seen == count:
                    return
