"""``strongroom retention``: sets retention of files and projects, and legal holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.retention_options import moment_of, span_of
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import FileName, Kept
from strongroom.client.retention import ProjectSlug, RetentionRule

What = Annotated[str | None, typer.Argument(metavar="[FILE]", help="Key or id of a file.")]
Project = Annotated[str, typer.Option("--project", metavar="SLUG", help="A project instead.")]


async def rules(session: Session) -> None:
    """Show the installation's rules: family, kept for, deleted after."""
    async with session.client() as client:
        found = await client.retention.rules()
    named: dict[str, RetentionRule] = {str(family): rule for family, rule in found.families.items()}
    if found.projects is not None:
        named["projects"] = found.projects
    for family, rule in named.items():
        document = {"family": family, "keep_days": _days(rule.keep), "delete_days": _days(rule.delete_after)}
        kept, going = document["keep_days"] or "-", document["delete_days"] or "-"
        session.output.result(f"{family:<16} keep {kept}  delete after {going}", document)


async def set_(
    session: Session,
    file: What = None,
    *,
    project: Project = "",
    keep_until: Annotated[
        str, typer.Option(metavar="TIME", help="2027-01-31, 2027-01-31T12:00:00Z, or 90d from now; never.")
    ] = "",
    delete_after: Annotated[
        str, typer.Option(metavar="TIME", help="When it goes to the trash automatically; never.")
    ] = "",
) -> None:
    """Set how long a file or project stays. Anyone may extend --keep-until; only an admin may shorten it."""
    what = _what(file, project)
    if not keep_until and not delete_after:
        raise UsageProblem("give --keep-until or --delete-after")
    kept: Kept | None = None
    async with session.client() as client:
        if keep_until == "never":
            kept = await client.retention.keep_no_longer(what)
        elif keep_until:
            kept = await client.retention.keep(what, _moment(keep_until))
        if delete_after:
            if isinstance(what, ProjectSlug):
                raise UsageProblem("a project doesn't go away by itself; --delete-after is for files")
            moment = None if delete_after == "never" else _moment(delete_after)
            kept = await client.retention.delete_after(what, moment)
    if kept is not None:
        session.output.result(_text(kept), _document(kept))


async def hold(
    session: Session,
    file: What = None,
    *,
    project: Project = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Shown to whoever is refused.")] = "",
) -> None:
    """Place a legal hold: nobody can delete or replace it until the hold is lifted."""
    await _do(session, file, project, lambda client, what: client.retention.hold(what, reason))


async def release(session: Session, file: What = None, *, project: Project = "") -> None:
    """Lift a legal hold. Only an admin can lift one that an admin placed."""
    await _do(session, file, project, lambda client, what: client.retention.release(what))


async def _do(
    session: Session,
    file: str | None,
    project: str,
    act: Callable[[AsyncClient, FileName | ProjectSlug], Awaitable[Kept]],
) -> None:
    what = _what(file, project)
    async with session.client() as client:
        kept = await act(client, what)
    session.output.result(_text(kept), _document(kept))


def _what(file: str | None, project: str) -> FileName | ProjectSlug:
    if bool(file) == bool(project):
        raise UsageProblem("name a file, or --project SLUG")
    return file or ProjectSlug(project)


def _moment(text: str) -> datetime | timedelta:
    return span_of(text) or moment_of(text)


def _days(span: timedelta | None) -> float | None:
    return None if span is None else span / timedelta(days=1)


def _text(kept: Kept) -> str:
    parts = []
    if kept.until is not None:
        parts.append(f"kept until {rfc3339(kept.until)}")
    if kept.delete_after is not None:
        parts.append(f"deleted after {rfc3339(kept.delete_after)}")
    if kept.hold is not None:
        by, why = ("an admin" if kept.hold.by_admin else "its owner"), shown.line(kept.hold.reason)
        parts.append(
            f"on legal hold by {by} since {rfc3339(kept.hold.placed_at)}" + (f": {why}" if why else "")
        )
    return "; ".join(parts) or "neither kept nor held"


def _document(kept: Kept) -> dict[str, Any]:
    hold = kept.hold
    return {
        "keep_until": rfc3339(kept.until),
        "delete_after": rfc3339(kept.delete_after),
        "hold": None
        if hold is None
        else {"reason": hold.reason, "by_admin": hold.by_admin, "placed_at": rfc3339(hold.placed_at)},
    }
