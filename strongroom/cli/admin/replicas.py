"""``strongroom admin replicas``, ``drain``, ``undrain``, ``reindex``."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import aclosing
from typing import Annotated, Any, Final

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.client.admin_values import Reindexed, Replica
from strongroom.client.async_client import AsyncClient

POLL_SECONDS: Final = 1.0
NAME: Final = typer.Argument(metavar="REPLICA", help="As shown by `strongroom admin replicas`.")
Name = Annotated[str, NAME]


async def replicas(session: Session) -> None:
    """List replicas of storage_service: when each last reported, what it is doing, whether it drains."""
    async with session.client() as client:
        for one in await client.admin.replicas():
            session.output.result(_line(one), _document(one))


async def drain(
    session: Session,
    name: Name,
    *,
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait until it is idle; 0: don't wait."),
    ] = 120.0,
    yes: Yes = False,
) -> ExitCode:
    """Have a replica of storage_service start nothing new, and tell load balancers not to use it.

    Lasts until `undrain` or its restart. Exit code 1: it did not finish its work in time.
    """
    confirm(f"Drain {shown.name(name)}?", yes=yes)
    async with session.client() as client:
        await client.admin.drain(name)
        last = await _settled(session, client, name, wait)
    session.output.result(_line(last) if last else name, _document(last) if last else {"name": name})
    return ExitCode.OK if not wait or (last is not None and last.is_idle) else ExitCode.FAILED


async def undrain(session: Session, name: Name) -> None:
    """Let a drained replica of storage_service work again."""
    async with session.client() as client:
        await client.admin.undrain(name)
    session.output.result(f"{shown.name(name)} will work again within seconds", {"name": name})


async def reindex(
    session: Session,
    owner: Annotated[str, typer.Argument(metavar="[OWNER]", help="Only this user's.")] = "",
    *,
    yes: Yes = False,
) -> None:
    """Recompute usage, statistics and project totals from the rows behind them.

    What is stored meanwhile is counted, too. For Postgres' indexes: `strongroom reindex`.
    """
    confirm(f"Recount what {shown.name(owner) if owner else 'everyone'} has?", yes=yes)
    done = Reindexed(0, 0, 0)
    async with session.client() as client, aclosing(client.admin.reindex(owner)) as steps:
        async for done in steps:
            session.output.note(f"{shown.count(done.owners, 'user')} so far")
    totals = shown.count(done.projects, "total", "totals")
    users = shown.count(done.owners, "user")
    text = f"{users}: {done.recounted} recounted, {totals} of projects corrected"
    session.output.result(text, dataclasses.asdict(done))


async def _settled(session: Session, client: AsyncClient, name: str, seconds: float) -> Replica | None:
    """Return the replica's state once it is idle, or when the time is over."""
    told, last = "", None
    try:
        async with asyncio.timeout(seconds or POLL_SECONDS):
            while last is None or not last.is_idle:
                found = {one.name: one for one in await client.admin.replicas()}
                last = found.get(name)
                if not seconds:
                    break
                line = _state(last) if last else "gone"
                if line != told:
                    session.output.note(line)
                    told = line
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        session.output.note(f"not idle after {seconds:.0f} s; it goes on in the background")
    return last


def _state(one: Replica) -> str:
    if one.draining_since is None:
        state = "works"
    elif one.is_idle:
        state = "drained"
    else:
        state = "draining" if one.has_heard else "to be drained"
    doing = [*one.busy, *([shown.count(one.requests, "request")] if one.requests else [])]
    return f"{state}: {', '.join(doing)}" if doing else state


def _line(one: Replica) -> str:
    return f"{shown.name(one.name):<40} {one.silent_seconds:>6.0f} s ago  {_state(one)}"


def _document(one: Replica) -> dict[str, Any]:
    return {
        "name": one.name,
        "silent_seconds": round(one.silent_seconds, 1),
        "draining_since": rfc3339(one.draining_since),
        "is_idle": one.is_idle,
        "busy": list(one.busy),
        "requests": one.requests,
    }
