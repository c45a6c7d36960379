"""``strongroom url`` and ``strongroom links``: makes and revokes URLs that need no token."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.shown import duration, time

FILE = typer.Argument(metavar="FILE", help="Key or id.")


async def url(
    session: Session,
    file: Annotated[str, FILE],
    *,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="SPAN", help="1h30m, 7d …; never: valid until revoked."),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="It stays valid when the content is replaced.")
    ] = False,
    attachment: Annotated[bool, typer.Option("--attachment", help="Browsers save the file.")] = False,
    inline: Annotated[
        bool, typer.Option("--inline", help="Browsers show the file, if its type is safe.")
    ] = False,
    signed: Annotated[
        bool,
        typer.Option("--signed", help="A signed URL of the object store instead: 1s to 7d, not revocable."),
    ] = False,
) -> None:
    """Print a URL at the gateway through which anyone who has it can read a file."""
    if attachment and inline:
        raise UsageProblem("choose --attachment or --inline")
    if signed:
        if newest or expires == "never":
            raise UsageProblem("signed URLs read one version, for at most 7d; leave out --signed")
        await _signed(session, file, expires or "1h", attachment=attachment, inline=inline)
        return
    seconds = None if expires is None else 0 if expires == "never" else duration(expires)
    scope: Literal["version", "newest"] = "newest" if newest else "version"
    async with session.client() as client:
        link = await client.link(file, expires_in=seconds, scope=scope, attachment=attachment)
        found = await client.get(file)
    ends = rfc3339(link.expires_at) if link.expires_at else None
    session.output.result(link.url, {"url": link.url, "expires_at": ends, "key": found.key})
    session.output.note(f"valid until {time(link.expires_at)}" if link.expires_at else "valid until revoked")


async def _signed(session: Session, file: str, expires: str, *, attachment: bool, inline: bool) -> None:
    disposition: Literal["attachment", "inline"] | None = None
    if attachment or inline:
        disposition = "attachment" if attachment else "inline"
    async with session.client() as client:
        made = await client.sign_url(file, expires_in=duration(expires), disposition=disposition)
    document = {"url": made.url, "expires_at": rfc3339(made.expires_at), "key": made.file.key}
    session.output.result(made.url, document)
    until = (
        f"valid until {time(made.expires_at)}" if made.expires_at else "valid as long as the file is public"
    )
    session.output.note(until)


async def revoke(
    session: Session,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Key or id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The links to all of your files.")] = False,
) -> None:
    """Revoke every link to a file, or to all your files, at once."""
    if (file is None) != everything:
        raise UsageProblem("name a file, or use --all")
    async with session.client() as client:
        if file is None:
            await client.revoke_all_links()
        else:
            await client.revoke_links(file)
    session.output.note("all links are revoked" if file is None else "its links are revoked")
