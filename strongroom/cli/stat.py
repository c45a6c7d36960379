"""``strongroom stat``: shows all metadata of one file."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.session import Session
from strongroom.client.files import StoredFile


async def stat(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")],
    deleted: Annotated[bool, typer.Option("--deleted", help="Even if it is soft-deleted.")] = False,
) -> None:
    """Show one file."""
    async with session.client() as client:
        show_all(session, await client.get(file, show_deleted=deleted))


def show_all(session: Session, file: StoredFile) -> None:
    """Print a file with one line for each known value."""
    document = file_document(file)
    lines = [
        f"{label:<16} {_value(value)}" for label, value in document.items() if value not in (None, {}, "")
    ]
    session.output.result("\n".join(lines), document)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{shown.name(str(key))}={shown.name(str(item))}" for key, item in value.items())
    return shown.name(value) if isinstance(value, str) else shown.line(str(value))
