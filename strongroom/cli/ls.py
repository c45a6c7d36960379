"""``strongroom ls``: lists the caller's files, page by page."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.session import Session
from strongroom.client.files import Family, StoredFile

MAX_PAGE = 1000


async def ls(
    session: Session,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Only keys that begin with this.")] = "",
    *,
    family: Annotated[Family | None, typer.Option(help="Only this family.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Include soft-deleted files.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
    page_token: Annotated[str, typer.Option(help="Continue where a list with --limit ended.")] = "",
) -> None:
    """List files by key: size, last change, key, name."""
    left = limit
    async with session.client() as client:
        while True:
            page = await client.list_page(
                prefix,
                family=family,
                show_deleted=deleted,
                page_size=MAX_PAGE if left is None else min(left, MAX_PAGE),
                page_token=page_token,
            )
            for file in page.files:
                session.output.result(_line(file), file_document(file))
            page_token = page.next_page_token
            left = None if left is None else left - len(page.files)
            if not page_token:
                return
            if left is not None and left <= 0:
                session.output.note(f"more: add --page-token {shown.name(page_token)}")
                return


def _line(file: StoredFile) -> str:
    gone = "  (deleted)" if file.deleted_at else ""
    when = shown.time(file.updated_at)
    return f"{shown.size(file.size):>10}  {when}  {shown.name(file.key)}  {shown.name(file.filename)}{gone}"
