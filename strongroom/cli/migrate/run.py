"""``strongroom migrate run`` and ``map``: moves the files, and maps old references to new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import grpc
import typer

from strongroom.cli import shown
from strongroom.cli.migrate.opening import (
    BytesPerSecond,
    Dsn,
    Jobs,
    PlanFile,
    RequestsPerSecond,
    TokenCommand,
    beside,
    opened,
    pace_of,
)
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session
from strongroom.cli.settings import client_settings

if TYPE_CHECKING:
    from strongroom.migrate.running import Outcome


async def run(
    session: Session,
    plan: PlanFile,
    *,
    jobs: Jobs = 8,
    bytes_per_second: BytesPerSecond = "",
    requests_per_second: RequestsPerSecond = None,
    only_owner: Annotated[str, typer.Option(metavar="USER", help="Only what will belong to this user.")] = "",
    first: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N that are left, as a trial.")
    ] = None,
    replaces: Annotated[
        bool, typer.Option("--replace", help="Replace what is at a path, and projects with the same slug.")
    ] = False,
    token_command: TokenCommand = "",
    dsn: Dsn = "",
) -> ExitCode:
    """Carry out a plan. If interrupted or killed, run the same command again; nothing is stored twice."""
    from strongroom.migrate import mapping
    from strongroom.migrate.moving import Mover
    from strongroom.migrate.running import Choice, Run

    pace = pace_of(bytes_per_second, requests_per_second, jobs)
    async with opened(session, plan, token_command=token_command, dsn=dsn, pace=pace) as here:
        with bars_for(session.output) as bars, bars.transfer(plan.name) as report:
            mover = Mover(here.owners, here.source, pace, replaces=replaces)
            choice = Choice(only_owner, first)
            outcome = await Run(here.plan, here.journal, mover, report, jobs=jobs, choice=choice).run()
        base = client_settings(session.options).gateway_url
        mapping.write_csv(here.journal, beside(plan, "map.csv"), base)
        mapping.write_sql(here.journal, beside(plan, "map.sql"), base, None)
        mapping.write_failed(here.journal, beside(plan, "failed.csv"))
    return _tell(session, outcome, plan)


async def map_(
    session: Session,
    plan: PlanFile,
    *,
    table: Annotated[str, typer.Option(metavar="[SCHEMA.]TABLE", help="Where the old references are.")],
    match: Annotated[str, typer.Option(metavar="COLUMN", help="The column that holds them.")],
    sets: Annotated[
        list[str], typer.Option("--set", metavar="COLUMN=VALUE", help="Set a column to id, key or url.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: PLAN.map.sql.")
    ] = None,
) -> None:
    """Write the UPDATE that gives your own table the new ids, keys or URLs, to be read and pasted."""
    from strongroom.migrate import mapping
    from strongroom.migrate.journal import Journal
    from strongroom.migrate.plans import Plan

    update = mapping.Update.of(table, match, sets)
    journal_path = beside(plan, "journal")
    if not journal_path.exists():
        raise UsageProblem(f"nothing of {plan} has been moved yet")
    with Journal(journal_path, Plan(plan).header) as journal:
        path = output or beside(plan, "map.sql")
        count = mapping.write_sql(journal, path, client_settings(session.options).gateway_url, update)
    rows = "row" if count == 1 else "rows"
    session.output.result(f"{path}: {count:,} {rows}", {"path": str(path), "rows": count})


def _tell(session: Session, outcome: Outcome, plan: Path) -> ExitCode:
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
        session.output.note("not finished; run the same command again to continue")
        if outcome.ended_by.code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
            session.output.note(
                "for owners other than yourself you need a token with the admin role, or --token-command"
            )
        return session.report(outcome.ended_by)
    return ExitCode.FAILED if outcome.failed else ExitCode.OK
