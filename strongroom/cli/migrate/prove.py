"""``strongroom migrate verify`` and ``cleanup``: compares what was moved, and deletes proved entries from the
source.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

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
from strongroom.cli.problems import ExitCode
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session

if TYPE_CHECKING:
    from strongroom.migrate.clearing import Cleared
    from strongroom.migrate.verification import Verified

SHOWN = 20


async def verify(
    session: Session,
    plan: PlanFile,
    *,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Also read the stored bytes back, instead of trusting size and checksum."
        ),
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Also compare what an interrupted verification has confirmed.")
    ] = False,
    jobs: Jobs = 8,
    bytes_per_second: BytesPerSecond = "",
    requests_per_second: RequestsPerSecond = None,
    token_command: TokenCommand = "",
    dsn: Dsn = "",
) -> ExitCode:
    """Compare what was moved with its source, byte for byte, and write a report. If interrupted or killed,
    run the same command again. Exit code 1: not everything is confirmed.
    """
    from strongroom.migrate.mapping import write_report
    from strongroom.migrate.proving import Prover
    from strongroom.migrate.verification import Verification

    pace = pace_of(bytes_per_second, requests_per_second, jobs)
    async with opened(session, plan, token_command=token_command, dsn=dsn, pace=pace) as here:
        with bars_for(session.output) as bars, bars.transfer(plan.name) as report:
            prover = Prover(here.owners, here.source, pace, deep=deep)
            verification = Verification(here.plan, here.journal, prover, report, deep=deep, anew=anew)
            outcome = await verification.run(jobs)
        path = beside(plan, "verified.csv")
        write_report(here.plan, here.journal, path)
    for line in outcome.lines[:SHOWN]:
        session.output.problem_of(line.entry.reference, "NOT_PROVED", line.result)
    if outcome.wrong > SHOWN:
        session.output.note(f"and {outcome.wrong - SHOWN:,} more: {path}")
    return _tell(session, outcome, str(path))


def _tell(session: Session, outcome: Verified, report: str) -> ExitCode:
    from strongroom.migrate.proving import OK

    before = f" ({outcome.before:,} before)" if outcome.before else ""
    text = f"{outcome.results[OK]:,} confirmed{before}, {outcome.wrong:,} not: {report}"
    document = {
        "proved": outcome.results[OK],
        "proved_before": outcome.before,
        "results": dict(outcome.results),
        "report": report,
    }
    session.output.result(text, document)
    if outcome.ended_by is not None:
        session.output.note("not finished; run the same command again to continue")
        return session.report(outcome.ended_by)
    return ExitCode.FAILED if outcome.wrong else ExitCode.OK


class Rows(StrEnum):
    """What happens to a table's row whose bytes are stored."""

    NULL = "null"
    DELETE = "delete"


async def cleanup(
    session: Session,
    plan: PlanFile,
    *,
    is_meant: Annotated[
        bool, typer.Option("--yes/--dry-run", "-y", help="Delete; otherwise only show what would be deleted.")
    ] = False,
    rows: Annotated[
        Rows, typer.Option(help="For a table: empty the column of the bytes, or delete whole rows.")
    ] = Rows.NULL,
    jobs: Jobs = 4,
    token_command: TokenCommand = "",
    dsn: Dsn = "",
) -> ExitCode:
    """Delete from the source what `verify` has confirmed and what has not changed since. A dry run, unless
    --yes.
    """
    from strongroom.migrate.clearing import Clearing

    pace = pace_of("", None, jobs)
    async with opened(session, plan, token_command=token_command, dsn=dsn, pace=pace, rows=rows) as here:
        clearing = Clearing(here.plan, here.journal, here.owners, here.source, pace, is_meant=is_meant)
        outcome = await clearing.run(jobs)
    return _tell_cleared(session, outcome, is_meant=is_meant)


def _tell_cleared(session: Session, outcome: Cleared, *, is_meant: bool) -> ExitCode:
    for reference, why in outcome.examples[:SHOWN]:
        session.output.problem_of(reference, "KEPT", why)
    kept = outcome.kept.total()
    did = "deleted" if is_meant else "would be deleted (a dry run; --yes means it)"
    deleted = f"{outcome.cleared:,} {did}, {shown.size(outcome.bytes)}"
    text = f"{deleted}; {kept:,} kept; {outcome.unproved:,} not confirmed"
    session.output.result(
        text,
        {
            "dry_run": not is_meant,
            "deleted": outcome.cleared,
            "size_bytes": outcome.bytes,
            "kept": dict(outcome.kept),
            "not_proved": outcome.unproved,
        },
    )
    if outcome.ended_by is not None:
        return session.report(outcome.ended_by)
    return ExitCode.FAILED if kept else ExitCode.OK
