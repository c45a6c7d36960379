"""``strongroom token``: a token for development."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.settings import signed
from strongroom.cli.shown import duration
from strongroom.client.settings import read_stack, stack_path

MIN_SECRET_BYTES = 32


async def token(
    session: Session,
    sub: Annotated[str, typer.Option("--sub", help="The user: the claim `sub`.")],
    ttl: Annotated[str, typer.Option("--ttl", metavar="SPAN", help="How long it is valid.")] = "1h",
    role: Annotated[str | None, typer.Option("--role", help="The claim `role`, such as admin.")] = None,
) -> None:
    """Print an HS256 token for development, signed with STRONGROOM_JWT_SECRET or the running stack's
    secret.
    """
    secret = _secret(os.environ)
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise UsageProblem(
            f"the JWT secret is shorter than {MIN_SECRET_BYTES} bytes (RFC 7518, 3.2); use a longer one"
        )
    made = signed(secret, sub, os.environ, int(duration(ttl).total_seconds()), role)
    import jwt  # noqa: PLC0415 - loads all of cryptography; no other command needs it

    claims = jwt.decode(made, options={"verify_signature": False})
    session.output.result(made, {"token": made, **claims})


def _secret(environ: Mapping[str, str]) -> str:
    if secret := environ.get("STRONGROOM_JWT_SECRET"):
        return secret
    if stack := read_stack(environ):
        return stack.jwt_secret
    raise UsageProblem(
        "no secret to sign with: set STRONGROOM_JWT_SECRET, or run `make up`, whose "
        f"{stack_path(environ)} has one"
    )
