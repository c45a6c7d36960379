"""``strongroom notify``: prints events as they happen."""

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


async def watch(
    session: Session,
    *,
    resume: Annotated[
        str, typer.Option("--from", metavar="ID", help="Start after this event; default: now.")
    ] = "",
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after this many.")] = None,
) -> None:
    """Print events of your files until interrupted: time, type, subject, id. Misses none."""
    async with session.client() as client:
        await show_events(session, client.watch(resume), count)


async def show_events(
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
