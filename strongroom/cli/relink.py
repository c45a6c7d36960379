"""``strongroom relink``: updates version ids and ETags after the bucket was copied."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.client.restore_values import RelinkPage, UnlinkedRow


async def relink(
    session: Session,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    after: Annotated[
        str, typer.Option("--after", metavar="KEY", help="Start after this key, where an earlier run ended.")
    ] = "",
) -> ExitCode:
    """Point rows at the bucket's versions and ETags, where key, size and CRC-32C are the same.

    For a bucket that was copied. Needs the admin role. May be repeated; rows that are right cost little.
    Prints rows whose bytes are missing; the exit code is then 1.
    """
    with session.told_if_interrupted("relinked rows stay so; run it again, or continue with --after KEY"):
        return await _relink(session, after, dry_run=dry_run)


async def _relink(session: Session, after: str, *, dry_run: bool) -> ExitCode:
    rows = right = relinked = unlinked = 0
    async with (
        session.client() as client,
        aclosing(client.restores.relink(after=after, dry_run=dry_run)) as pages,
    ):
        async for page in pages:
            for row in page.unlinked:
                session.output.result(_line(row), _document(row))
            rows, right = rows + page.rows, right + page.right
            relinked, unlinked = relinked + page.relinked, unlinked + len(page.unlinked)
            _tell(session, page)
    figures = {"rows": rows, "right": right, "relinked": relinked, "unlinked": unlinked, "dry_run": dry_run}
    word = "would be relinked" if dry_run else "relinked"
    of = shown.count(rows, "row")
    session.output.result(f"{of}: {right} right, {relinked} {word}, {unlinked} without bytes", figures)
    if not rows and not after:
        session.output.note(
            "the database knows of no file: restore it first; or, where none is left, `strongroom rebuild`"
            " rebuilds its rows (docs/backup.md)"
        )
    return ExitCode.FAILED if unlinked else ExitCode.OK


def _tell(session: Session, page: RelinkPage) -> None:
    if page.cursor:
        session.output.note(f"up to {shown.name(page.cursor)}")


def _line(row: UnlinkedRow) -> str:
    return "  ".join(
        (
            "unlinked",
            shown.name(row.key),
            shown.size(row.size_bytes),
            shown.name(row.owner_id),
            f"blob {row.blob_id}",
            f"found {shown.line(row.found)}",
        )
    )


def _document(row: UnlinkedRow) -> dict[str, object]:
    return {
        "key": row.key,
        "owner_id": row.owner_id,
        "blob_id": row.blob_id,
        "size_bytes": row.size_bytes,
        "found": row.found,
    }
