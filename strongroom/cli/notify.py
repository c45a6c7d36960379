"""``strongroom notify watch`` and ``admin watch``: print events as they happen."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.session import Session
from strongroom.client import Notification

From = Annotated[str, typer.Option("--from", metavar="ID", help="Start after this event; default: now.")]
Count = Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after this many.")]


async def watch(
    session: Session,
    *,
    resume: From = "",
    count: Count = None,
) -> None:
    """Print events of your files until interrupted: time, type, subject, id. Misses none."""
    async with session.client() as client:
        await _show(session, client.watch(resume), count)


async def watch_all(
    session: Session,
    *,
    resume: From = "",
    count: Count = None,
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
        await _show(session, client.admin.watch(resume, **wanted), count, of_all=True)


async def _show(
    session: Session, watched: AsyncGenerator[Notification], count: int | None, *, of_all: bool = False
) -> None:
    """Print events as they come. ``count``: stop after this many. ``of_all``: include the user."""
    seen = 0
    async with aclosing(watched) as events:
        async for event in events:
            whose = f"{shown.name(event.user_id)}  " if of_all else ""
            session.output.result(
                f"{shown.time(event.created_at)}  {whose}{event.type:<16}  {event.subject_id}"
                f"  {shown.line(event.id)}",
                {
                    "id": event.id,
                    **({"user_id": event.user_id} if of_all else {}),
                    "type": event.type,
                    "subject_id": event.subject_id,
                    "payload": event.payload,
                    "created_at": rfc3339(event.created_at),
                },
            )
            sys.stdout.flush()  # readers of a pipe get it while we wait
            seen += 1
            if seen == count:
                return
