"""``strongroom migrate``: old files move in. What it takes is loaded when a command runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import grpc
import typer

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session
from strongroom.cli.settings import client_settings

if TYPE_CHECKING:
    from strongroom.migrate.owners import Owners
    from strongroom.migrate.pace import Pace
    from strongroom.migrate.planning import Summary
    from strongroom.migrate.running import Outcome

PlanFile: TypeAlias = Annotated[Path, typer.Argument(metavar="PLAN", help="What `plan` has written.")]
TokenCommand: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="COMMAND",
        help="Prints a token for the owner in $STRONGROOM_OWNER; else one token with the admin role for all.",
    ),
]
SHOWN_REASONS = 10


async def plan(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The plan: .csv, else JSON lines.")
    ] = Path("plan.jsonl"),
    family: Annotated[
        str, typer.Option("--family", "-f", help="Where it goes, where the source does not say.")
    ] = "uploads",
    owner: Annotated[
        str, typer.Option(metavar="USER", help="Whose it becomes, where nothing else says.")
    ] = "",
    key: Annotated[
        str, typer.Option(help="Of audio the class, of generation the kind, of event_media the event.")
    ] = "",
    layout: Annotated[
        str, typer.Option(help="What paths say: {owner} {kind} {event} {class} {slug} {name} {path} and *.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that is there.")] = False,
) -> ExitCode:
    """Write down what goes where, and what can't and why. Nothing is moved, nothing is changed."""
    from strongroom.migrate.layouts import Layout
    from strongroom.migrate.planning import Placing, make_plan
    from strongroom.migrate.sources import opening

    if not force and await asyncio.to_thread(output.exists):
        raise FileExistsError(17, "is already there; add --force, or name another file with -o", str(output))
    placing = Placing(family, owner, key, Layout.of(layout) if layout else None)
    opened = opening.directory(Path(source), family, placing.layout)
    async with session.client() as client:
        limits = await client.upload_limits()
    if not limits:
        session.output.note(
            "the service does not say how large files may be; what is too large shows in the run"
        )
    summary = await asyncio.to_thread(make_plan, opened, placing, limits, output)
    _tell_plan(session, summary, output)
    return ExitCode.OK


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


async def run(
    session: Session,
    plan: PlanFile,
    *,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="Uploads side by side.")] = 8,
    bytes_per_second: Annotated[
        str, typer.Option(metavar="SIZE", help="No faster than this, such as 20MiB.")
    ] = "",
    requests_per_second: Annotated[
        float | None, typer.Option(min=0.01, metavar="N", help="No more uploads begun a second than this.")
    ] = None,
    only_owner: Annotated[str, typer.Option(metavar="USER", help="Only what becomes this user's.")] = "",
    first: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only so many of what is left: a trial.")
    ] = None,
    replaces: Annotated[
        bool, typer.Option("--replace", help="Replace what is at a path, or a project of this slug.")
    ] = False,
    token_command: TokenCommand = "",
) -> ExitCode:
    """Move what the plan says. Interrupted or killed, the same command goes on; nothing is stored twice."""
    from strongroom.migrate import mapping
    from strongroom.migrate.journal import Journal
    from strongroom.migrate.moving import Mover
    from strongroom.migrate.pace import Pace
    from strongroom.migrate.plans import Plan
    from strongroom.migrate.running import Choice, Run
    from strongroom.migrate.sources import opening

    opened = Plan(plan)
    pace = Pace(shown.bytes_of(bytes_per_second) if bytes_per_second else None, requests_per_second)
    source = opening.reopened(opened.header.source)
    try:
        with Journal.of(plan, opened.header) as journal:
            async with owners_of(session, token_command, pace) as owners:
                with bars_for(session.output) as bars, bars.transfer(plan.name) as report:
                    mover = Mover(owners, source, pace, replaces=replaces)
                    going = Run(opened, journal, mover, report, jobs=jobs, choice=Choice(only_owner, first))
                    outcome = await going.run()
            base = client_settings(session.options).gateway_url
            mapping.write_csv(journal, beside(plan, "map.csv"), base)
            mapping.write_sql(journal, beside(plan, "map.sql"), base, None)
            mapping.write_failed(journal, beside(plan, "failed.csv"))
    finally:
        source.close()
    return _tell_run(session, outcome, plan)


def owners_of(session: Session, token_command: str, pace: Pace | None = None) -> Owners:
    """For whom things are stored."""
    from strongroom.migrate.owners import Owners

    if session.for_user:
        raise UsageProblem("--for-user does not go with a plan, which names the owner of everything")
    settings = client_settings(session.options)
    if pace is not None:
        settings = replace(settings, retry=replace(settings.retry, on_retry=pace.hold))
    return Owners(settings, token_command)


def beside(plan: Path, what: str) -> Path:
    """Where a file of a run lies."""
    return plan.with_name(f"{plan.name}.{what}")


def _tell_run(session: Session, outcome: Outcome, plan: Path) -> ExitCode:
    for _, reference, code, message in outcome.problems:
        session.output.problem_of(reference, code, message)
    if outcome.failed > len(outcome.problems):
        session.output.note(
            f"and {outcome.failed - len(outcome.problems):,} more: {beside(plan, 'failed.csv')}"
        )
    moved = f"{outcome.moved:,} moved, {shown.size(outcome.bytes)}"
    text = f"{moved}; {outcome.before:,} before; {outcome.failed:,} failed"
    session.output.result(
        text,
        {
            "moved": outcome.moved,
            "size_bytes": outcome.bytes,
            "moved_before": outcome.before,
            "failed": outcome.failed,
            "codes": dict(outcome.codes),
            "map": str(beside(plan, "map.csv")),
        },
    )
    if outcome.ended_by is not None:
        session.output.note("not at the end of the plan; the same command goes on")
        if outcome.ended_by.code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
            session.output.note("for others than yourself: a token with the admin role, or --token-command")
        return session.report(outcome.ended_by)
    return ExitCode.FAILED if outcome.failed else ExitCode.OK
