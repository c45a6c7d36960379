"""``strongroom doctor``: checks everything between this machine and the stored bytes, and says how to fix
problems.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from strongroom.cli.doctor.findings import Finding, Status, line
from strongroom.cli.doctor.gateway import look_at_gateway
from strongroom.cli.doctor.postgres import look_at_postgres
from strongroom.cli.doctor.s3 import look_at_s3
from strongroom.cli.doctor.services import look_at_services
from strongroom.cli.doctor.setup import look_at_setup
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.cli.settings import client_settings
from strongroom.client.settings import ClientSettings
from strongroom.client.tokens import Tokens


async def doctor(
    session: Session,
    gateway_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Default: STRONGROOM_GATEWAY_URL, or the running stack's."),
    ] = None,
) -> ExitCode:
    """Check settings, both services, the gateway, S3 and Postgres; exit code 1 when something fails.

    S3 and Postgres are checked through the services, and directly where boto3 or psycopg is installed and
    AWS_S3_BUCKET or STRONGROOM_DATABASE_URL is set. S3 is probed with small objects below strongroom-doctor/,
    which are removed afterwards.
    """
    env = dict(os.environ)
    settings = client_settings(session.options, env)
    looks: list[Callable[[], Awaitable[list[Finding]]]] = [
        lambda: _now(look_at_setup(settings, env)),
        lambda: look_at_services(settings),
        lambda: _gateway(gateway_url, env, settings),
        lambda: asyncio.to_thread(look_at_s3, env),
        lambda: asyncio.to_thread(look_at_postgres, env),
    ]
    failed = False
    for look in looks:
        for finding in await look():
            session.output.result(line(finding), finding.as_dict())
            failed = failed or finding.status is Status.FAIL
    return ExitCode.FAILED if failed else ExitCode.OK


async def _gateway(url: str | None, env: dict[str, str], settings: ClientSettings) -> list[Finding]:
    return await look_at_gateway(url, env, await Tokens(settings.token).current())


async def _now(findings: list[Finding]) -> list[Finding]:
    return findings
