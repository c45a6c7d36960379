"""``strongroom stat``: everything about one file."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.session import Session


async def stat(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")],
    deleted: Annotated[bool, typer.Option("--deleted", help="Also when it is soft-deleted.")] = False,
) -> None:
    """Show one file."""
    async with session.client() as client:
        found = await client.get(file, show_deleted=deleted)
    document = file_document(found)
    lines = [
        f"{label:<16} {_value(value)}" for label, value in document.items() if value not in (None, {}, "")
    ]
    session.output.result("\n".join(lines), document)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{shown.name(str(key))}={shown.name(str(item))}" for key, item in value.items())
    return shown.name(value) if isinstance(value, str) else shown.line(str(value))
