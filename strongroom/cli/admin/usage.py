"""``strongroom admin usage``, ``costs``, ``infected``, ``quota``: what users have stored, and may store."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.tally import first
from strongroom.cli.usage import limit_text, show_costs, show_usage
from strongroom.client.admin_values import OwnerUsage

OWNER: Final = typer.Argument(metavar="OWNER", help="The `sub` of the user.")
NONE: Final = "none"


class Order(StrEnum):
    """Sort order of owners."""

    BYTES = "bytes"
    FILES = "files"
    OWNER = "owner"


async def usage(
    session: Session,
    owner: Annotated[str, typer.Argument(metavar="[OWNER]", help="The `sub` of one user.")] = "",
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Show all users.")] = False,
    order: Annotated[Order, typer.Option("--sort", help="Largest first, or by name.")] = Order.BYTES,
    families: Annotated[bool, typer.Option("--families", help="Also by family.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """Show what one user, or each user, has stored: bytes, files, limits, uploads under way."""
    if bool(owner) == everybody:
        raise UsageProblem("name one user, or use --all")
    async with session.client() as client:
        pages = client.admin.usage(owner, order=order.value, by_family=families or bool(owner))
        known = False
        async with aclosing(first(pages, limit)) as found:
            async for one in found:
                known = True
                session.output.result(_text(one), _document(one))
    if owner and not known:
        session.output.note(
            f"{shown.name(owner)} has no files, no limits and nothing under way; is it the `sub`?"
        )


def _text(found: OwnerUsage) -> str:
    usage = found.usage
    limit = "no limit" if usage.limit_bytes is None else f"of {shown.size(usage.limit_bytes)}"
    files = "" if usage.limit_files is None else f" of {usage.limit_files}"
    word = "file" if usage.file_count == 1 and usage.limit_files is None else "files"
    stored = f"{shown.size(usage.used_bytes):>10} {limit:<14} {usage.file_count:>8}{files} {word}"
    lines = [f"{stored}  {shown.size(usage.reserved_bytes):>10} under way  {shown.name(usage.owner_id)}"]
    lines += [
        f"{shown.size(family.size_bytes):>10} {'':<14} {family.file_count:>8} {family.family}"
        for family in found.families
    ]
    return "\n".join(lines)


def _document(found: OwnerUsage) -> dict[str, Any]:
    return dataclasses.asdict(found.usage) | {
        "families": {
            family.family: {"file_count": family.file_count, "size_bytes": family.size_bytes}
            for family in found.families
        }
    }


async def costs(
    session: Session,
    owner: Annotated[
        str, typer.Argument(metavar="[OWNER]", help="The `sub` of one user; default: all.")
    ] = "",
) -> None:
    """Estimate what the objects of one user, or of all, cost a month."""
    async with session.client() as client:
        show_costs(session, await client.admin.costs(owner))


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


async def quota(session: Session, owner: Annotated[str, OWNER]) -> None:
    """Show what a user has stored and may store."""
    async with session.client() as client:
        show_usage(session, await client.admin.quota(owner))


async def set_quota(
    session: Session,
    owner: Annotated[str, OWNER],
    *,
    size: Annotated[
        str | None, typer.Option("--bytes", metavar="N|N GiB|none", help="Bytes; none: no limit.")
    ] = None,
    files: Annotated[
        str | None, typer.Option("--files", metavar="N|none", help="Files; none: no limit.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Set a user's limits. A limit that is left out stays as it is.

    Stored files stay, even if they are over the limit.
    """
    if size is None and files is None:
        raise UsageProblem("give a limit: --bytes, --files, or both")
    async with session.client() as client:
        now = await client.admin.quota(owner)
        limit_bytes = now.limit_bytes if size is None else _bytes(size)
        limit_files = now.limit_files if files is None else _files(files)
        told = f"{limit_text(limit_bytes, shown.size)} of bytes, {limit_text(limit_files, str)} of files"
        confirm(f"Set for {shown.name(owner)}: {told}?", yes=yes)
        now = await client.admin.set_quota(owner, limit_bytes=limit_bytes, limit_files=limit_files)
        show_usage(session, now)


def _bytes(text: str) -> int | None:
    if text == NONE:
        return None
    try:
        return shown.bytes_of(text)
    except ValueError as error:
        raise UsageProblem(f"--bytes {error}, or none") from None


def _files(text: str) -> int | None:
    if text == NONE:
        return None
    if not text.isdecimal():
        raise UsageProblem(f"--files {text!r} is not a number; write 1000 or none")
    return int(text)
