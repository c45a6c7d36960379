"""``strongroom admin costs``: estimates the cost of stored objects."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli.costs import show
from strongroom.cli.session import Session


async def costs(
    session: Session,
    owner: Annotated[
        str, typer.Argument(metavar="[OWNER]", help="The `sub` of one user; default: all.")
    ] = "",
) -> None:
    """Estimate what the objects of one user, or of all, cost a month."""
    async with session.client() as client:
        show(session, await client.admin.costs(owner))
