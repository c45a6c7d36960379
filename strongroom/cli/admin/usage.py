"""``strongroom admin usage``: shows how much users have stored."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session, first
from strongroom.client.admin_values import OwnerUsage


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
