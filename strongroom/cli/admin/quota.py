"""``strongroom admin quota``: shows and sets limits of users."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Final

import typer

from strongroom.cli import shown
from strongroom.cli.asking import Yes, confirm
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.client.files import Usage

OWNER: Final = typer.Argument(metavar="OWNER", help="The `sub` of the user.")
NONE: Final = "none"


async def get(session: Session, owner: Annotated[str, OWNER]) -> None:
    """Show what a user has stored and may store."""
    async with session.client() as client:
        _show(session, await client.admin.quota(owner))


async def set_(
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
        told = f"{_limit(limit_bytes, shown.size)} of bytes, {_limit(limit_files, str)} of files"
        confirm(f"Set for {shown.name(owner)}: {told}?", yes=yes)
        _show(session, await client.admin.set_quota(owner, limit_bytes=limit_bytes, limit_files=limit_files))


def _show(session: Session, found: Usage) -> None:
    lines = [
        f"user      {shown.name(found.owner_id)}",
        f"bytes     {shown.size(found.used_bytes)} ({_limit(found.limit_bytes, shown.size)})",
        f"files     {found.file_count} ({_limit(found.limit_files, str)})",
        f"under way {shown.size(found.reserved_bytes)}",
    ]
    session.output.result("\n".join(lines), dataclasses.asdict(found))


def _limit(limit: int | None, as_text: Callable[[int], str]) -> str:
    return "no limit" if limit is None else f"limit {as_text(limit)}"


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
