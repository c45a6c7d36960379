"""``strongroom spool``: shows and sends operations that wait on this disk while the service or its S3 is
down.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import ExitCode, Problem, UsageProblem, exit_code_of
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally
from strongroom.client.async_client import AsyncClient
from strongroom.client.spooling.spool import Spool, SpooledOperation


async def list_(session: Session) -> None:
    """List waiting operations in sending order, then refused ones: size, time, id, what, why."""
    async with session.client() as client:
        for operation in await _spool(client).operations():
            why = f"  refused: {operation.code}: {operation.message}" if operation.code else ""
            session.output.result(
                f"{shown.size(operation.size):>10}  {shown.time(operation.created_at)}  {operation.id}"
                f"  {shown.name(operation.title)}{shown.line(why)}",
                document(operation),
            )


async def flush(
    session: Session,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="Then retry the refused ones, too.")] = False,
) -> ExitCode:
    """Send waiting operations, in order. Prints how many were sent; refused ones are reported and kept."""
    tally = Tally(session)
    async with session.client() as client:
        done = await _spool(client).flush(dead=dead)
    for operation in done.refused:
        code = exit_code_of(operation.code)
        session.output.problem(
            Problem(operation.code, operation.message, "`strongroom spool rm` gives it up", code),
            operation.title,
        )
        tally.exit_code = tally.exit_code or code
    session.output.result(
        f"{done.sent} sent, {len(done.refused)} refused, {done.waiting} waiting",
        {"sent": done.sent, "refused": len(done.refused), "waiting": done.waiting},
    )
    if done.error is not None:
        tally.exit_code = session.report(done.error)
    elif done.waiting:
        tally.exit_code = session.report(
            errors.RequestInProgress("Another process sends what waits; look again.", retry_after=1.0)
        )
    return tally.exit_code


async def remove(
    session: Session,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As shown by `spool ls`.")
    ] = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All refused ones.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> ExitCode:
    """Discard operations, so that they are never sent. Prints the id of each."""
    if bool(ids) + dead + everything != 1:
        raise UsageProblem("name ids, or use --dead or --all")
    exit_code = ExitCode.OK
    async with session.client() as client:
        spool = _spool(client)
        wanted = list(ids or ())
        if dead or everything:
            wanted = [one.id for one in await spool.operations() if one.code or everything]
        for id_ in wanted:
            try:
                gone = await spool.remove(id_)
            except KeyError:
                session.output.problem(
                    Problem("NOT_IN_SPOOL", "waits here no more", "", ExitCode.NOT_FOUND), id_
                )
                exit_code = ExitCode.NOT_FOUND
            else:
                session.output.result(gone.id, document(gone))
    return exit_code


def document(operation: SpooledOperation) -> dict[str, Any]:
    """Return the operation for ``--json``."""
    return {
        "id": operation.id,
        "title": operation.title,
        "created_at": rfc3339(operation.created_at),
        "bytes": operation.size,
        "state": "dead" if operation.code else "waiting",
        "code": operation.code or None,
        "message": operation.message or None,
    }


def _spool(client: AsyncClient) -> Spool:
    if client.spool is None:
        raise UsageProblem("STRONGROOM_SPOOL is not set; set it to the spool's folder")
    return client.spool
