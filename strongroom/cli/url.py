"""``strongroom url``: a link that needs no token."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.shown import duration, time


async def url(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")],
    expires: Annotated[
        str, typer.Option("--expires", metavar="SPAN", help="1s to 7d, such as 1h30m.")
    ] = "1h",
    attachment: Annotated[bool, typer.Option("--attachment", help="Browsers save it.")] = False,
    inline: Annotated[bool, typer.Option("--inline", help="Browsers show it, if its type is safe.")] = False,
) -> None:
    """Print a URL that reads a file, for whoever holds it."""
    if attachment and inline:
        raise UsageProblem("choose --attachment or --inline")
    disposition: Literal["attachment", "inline"] | None = None
    if attachment or inline:
        disposition = "attachment" if attachment else "inline"
    async with session.client() as client:
        signed = await client.sign_url(file, expires_in=duration(expires), disposition=disposition)
    document = {"url": signed.url, "expires_at": rfc3339(signed.expires_at), "key": signed.file.key}
    session.output.result(signed.url, document)
    until = (
        f"holds until {time(signed.expires_at)}"
        if signed.expires_at
        else "holds for as long as the file is public"
    )
    session.output.note(until)
