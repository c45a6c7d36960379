"""``strongroom search``: finds files by words, type, time, size and settings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session, first
from strongroom.client.files import Family, StoredFile
from strongroom.client.searches import Wanted


async def search(
    session: Session,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD", help="Each must occur in the name, path, prompt, title, description or tags."
        ),
    ] = None,
    *,
    family: Annotated[Family | None, typer.Option(help="Only this family.")] = None,
    content_type: Annotated[str, typer.Option("--type", help="image/png, or image/*.")] = "",
    prefix: Annotated[str, typer.Option(help="Only keys that begin with this.")] = "",
    after: Annotated[
        str, typer.Option(metavar="TIME", help="Created at this time or later: 2026-01-31.")
    ] = "",
    before: Annotated[str, typer.Option(metavar="TIME", help="Created before this time.")] = "",
    min_size: Annotated[int | None, typer.Option(min=0, help="Minimum size in bytes.")] = None,
    max_size: Annotated[int | None, typer.Option(min=0, help="Maximum size in bytes.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Setting of a generation, such as model=sdxl; may be repeated."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """Find files, newest first: size, creation, key, name. Quote words to find them as a phrase."""
    wanted = Wanted(
        " ".join(f'"{word}"' if " " in word else word for word in words or ()),
        family,
        content_type,
        prefix,
        _moment(after),
        _moment(before),
        min_size,
        max_size,
        _pairs(setting or ()),
    )
    async with session.client() as client, aclosing(first(client.search(wanted), limit)) as found:
        async for file in found:
            session.output.result(_line(file), file_document(file))


def _moment(text: str) -> datetime | None:
    return shown.moment(text) if text else None


def _pairs(given: Sequence[str]) -> dict[str, str]:
    if not all("=" in text for text in given):
        raise UsageProblem("--setting takes NAME=VALUE")
    return dict(text.partition("=")[::2] for text in given)


def _line(file: StoredFile) -> str:
    when = shown.time(file.created_at)
    return f"{shown.size(file.size):>10}  {when}  {shown.name(file.key)}  {shown.name(file.filename)}"
