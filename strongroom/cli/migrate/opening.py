"""Opens what the commands of ``strongroom migrate`` need: a plan with its journal, its source, its owners."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.settings import client_settings

if TYPE_CHECKING:
    from strongroom.migrate.journal import Journal
    from strongroom.migrate.owners import Owners
    from strongroom.migrate.pace import Pace
    from strongroom.migrate.plans import Plan
    from strongroom.migrate.sources.source import Source

PlanFile: TypeAlias = Annotated[Path, typer.Argument(metavar="PLAN", help="The file that `plan` wrote.")]
Jobs: TypeAlias = Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="How many at once.")]
BytesPerSecond: TypeAlias = Annotated[str, typer.Option(metavar="SIZE", help="Maximum rate, such as 20MiB.")]
RequestsPerSecond: TypeAlias = Annotated[
    float | None, typer.Option(min=0.01, metavar="N", help="Maximum number begun per second.")
]
TokenCommand: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="COMMAND",
        help="Prints a token for the owner in $STRONGROOM_OWNER; else one token with the admin role for all.",
    ),
]
Dsn: TypeAlias = Annotated[
    str,
    typer.Option(
        "--dsn",
        metavar="postgresql://…",
        help="Of a Postgres source, with the password, which no plan holds; else PGPASSWORD or ~/.pgpass.",
    ),
]


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything that is open while a plan is being worked on."""

    plan: Plan
    journal: Journal
    source: Source
    owners: Owners


@asynccontextmanager
async def opened(
    session: Session, path: Path, *, token_command: str, dsn: str, pace: Pace, rows: str = ""
) -> AsyncGenerator[Opened]:
    """Open a plan with everything that belongs to it, and close it at the end.

    :param rows: how cleanup treats rows of a table: ``null`` or ``delete``.
    """
    from strongroom.migrate.journal import Journal
    from strongroom.migrate.owners import Owners
    from strongroom.migrate.plans import Plan
    from strongroom.migrate.sources import opening

    if session.for_user:
        raise UsageProblem("--for-user does not go with a plan, which names the owner of everything")
    settings = client_settings(session.options)
    settings = replace(settings, retry=replace(settings.retry, on_retry=pace.hold))
    plan = Plan(path)
    with told():
        source = opening.reopened(plan.header.source, dsn=dsn, deletes_rows=rows == "delete")
    try:
        with Journal.of(path, plan.header) as journal:
            async with Owners(settings, token_command) as owners:
                yield Opened(plan, journal, source, owners)
    finally:
        source.close()


def pace_of(bytes_per_second: str, requests_per_second: float | None, jobs: int) -> Pace:
    """Return the pace for the options."""
    from strongroom.cli.shown import bytes_of
    from strongroom.migrate.pace import Pace

    return Pace(bytes_of(bytes_per_second) if bytes_per_second else None, requests_per_second, jobs=jobs)


@contextmanager
def told() -> Iterator[None]:
    """Report a source that can't be read at all as a problem of usage."""
    from strongroom.migrate.problems import SourceFailed

    try:
        yield
    except SourceFailed as error:
        raise UsageProblem(f"the source can't be read: {error}") from None


def beside(plan: Path, what: str) -> Path:
    """Return the path of a file that belongs to a run."""
    return plan.with_name(f"{plan.name}.{what}")
