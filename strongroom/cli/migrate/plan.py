"""``strongroom migrate plan``: plans what goes where, and lists what can't be moved and why."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.migrate.opening import told
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session

if TYPE_CHECKING:
    from strongroom.migrate.planning import Summary

SHOWN_REASONS = 10
_SOURCE = "Source"


async def plan(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A folder, a list.csv, postgresql://… or s3://bucket/prefix."),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The plan: .csv, else JSON lines.")
    ] = Path("plan.jsonl"),
    family: Annotated[
        str, typer.Option("--family", "-f", help="The family, where the source does not say.")
    ] = "uploads",
    owner: Annotated[str, typer.Option(metavar="USER", help="The owner of files without another.")] = "",
    key: Annotated[
        str, typer.Option(help="For audio the class, for generation the kind, for event_media the event.")
    ] = "",
    layout: Annotated[
        str,
        typer.Option(
            help="What the parts of paths mean: {owner} {kind} {event} {class} {slug} {name} {path} and *."
        ),
    ] = "",
    table: Annotated[
        str, typer.Option(metavar="[SCHEMA.]TABLE", help="A table in Postgres.", rich_help_panel=_SOURCE)
    ] = "",
    query: Annotated[
        str,
        typer.Option(metavar="SQL", help="A query in Postgres, instead of a table.", rich_help_panel=_SOURCE),
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT=NAME",
            help="id, bytes, owner, family, key, name, type, stamp, prompt … by the names of their columns.",
            rich_help_panel=_SOURCE,
        ),
    ] = None,
    endpoint_url: Annotated[
        str, typer.Option(metavar="URL", help="An S3 that is not AWS.", rich_help_panel=_SOURCE)
    ] = "",
    region: Annotated[str, typer.Option(help="The bucket's region.", rich_help_panel=_SOURCE)] = "",
    profile: Annotated[
        str, typer.Option(help="A profile of ~/.aws/config for the bucket.", rich_help_panel=_SOURCE)
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
) -> ExitCode:
    """Plan what goes where, and list what can't be moved and why. Moves and changes nothing."""
    from strongroom.migrate.layouts import Layout
    from strongroom.migrate.planning import Placing, make_plan
    from strongroom.migrate.sources import opening

    if not force and await asyncio.to_thread(output.exists):
        raise FileExistsError(
            errno.EEXIST, "is already there; add --force, or name another file with -o", str(output)
        )
    placing = Placing(family, owner, key, Layout.of(layout) if layout else None)
    where = opening.Where(table, query, _pairs(column or ()), endpoint_url, region, profile)
    async with session.client() as client:
        limits = await client.upload_limits()
    if not limits:
        session.output.note(
            "the service does not say how large files may be; what is too large shows in the run"
        )
    with told(), closing(opening.opened(source, family, placing.layout, where)) as opened:
        summary = await asyncio.to_thread(make_plan, opened, placing, limits, output)
    _tell_plan(session, summary, output)
    return ExitCode.OK


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given if "=" in text)
    if len(pairs) != len(given) or not all(pairs.values()):
        raise UsageProblem("--column takes WHAT=NAME, each once, such as --column bytes=data")
    return pairs


def _tell_plan(session: Session, summary: Summary, output: Path) -> None:
    owners = len(summary.owners)
    text = (
        f"{output}: {summary.entries:,} to move, {shown.size(summary.bytes)}, of {owners:,}"
        f" owner{'' if owners == 1 else 's'}; {summary.refused:,} can't"
    )
    session.output.result(
        text,
        {
            "plan": str(output),
            "entries": summary.entries,
            "size_bytes": summary.bytes,
            "owners": owners,
            "families": dict(summary.families),
            "refused": summary.refused,
            "reasons": dict(summary.reasons),
        },
    )
    for reason, count in summary.reasons.most_common(SHOWN_REASONS):
        session.output.note(f"  {count:,}: {reason}")
