"""``strongroom admin infected``: lists stored content that the scanner found infected."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.session import Session, first


async def infected(
    session: Session,
    owner: Annotated[str, typer.Argument(metavar="[OWNER]", help="The `sub` of one user.")] = "",
    *,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """List stored content that is blocked because the scanner found something in it."""
    async with session.client() as client, aclosing(first(client.admin.infected(owner), limit)) as found:
        async for one in found:
            text = (
                f"{shown.time(one.found_at)}  {shown.name(one.owner_id)}  {shown.line(one.signature)}"
                f"  {shown.name(one.key)}"
            )
            session.output.result(text, dataclasses.asdict(one) | {"found_at": rfc3339(one.found_at)})
