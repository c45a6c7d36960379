"""``strongroom admin cleaner``, ``strongroom admin attempts``: shows work that is stuck, and retries it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.tally import first
from strongroom.client.admin_values import Attempt, CleanerBacklog, CleanerFailure, CleanerStatus

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Attempts, as shown by `attempts ls`.")
]
All = Annotated[bool, typer.Option("--all", help="All failed attempts.")]


async def status(session: Session) -> None:
    """Show how much work the cleaner has, what has failed and why, and which replicas do it."""
    async with session.client() as client:
        found = await client.admin.cleaner_status()
    session.output.result(_status(found), _plain(dataclasses.asdict(found)))


async def ls(
    session: Session,
    owner: Annotated[str, typer.Argument(metavar="[OWNER]", help="Only this user's.")] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Include those that have not failed.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = 100,
) -> None:
    """List attempts that the cleaner failed to remove: state, tries, when due, id, owner, key, why."""
    async with (
        session.client() as client,
        aclosing(first(client.admin.attempts(owner, everything=everything), limit)) as attempts,
    ):
        async for one in attempts:
            session.output.result(_line(one), _plain(dataclasses.asdict(one)))


async def retry(session: Session, ids: Ids = None, *, everything: All = False, yes: Yes = False) -> None:
    """Retry failed attempts now. If they fail again, the pauses keep growing."""
    await _requeue(session, ids, everything=everything, yes=yes, reset_pauses=False)


async def requeue(session: Session, ids: Ids = None, *, everything: All = False, yes: Yes = False) -> None:
    """Retry failed attempts now, as if for the first time: the pauses start over."""
    await _requeue(session, ids, everything=everything, yes=yes, reset_pauses=True)


async def abort(
    session: Session,
    attempt: Annotated[str, typer.Argument(metavar="ID", help="An attempt, as shown by `attempts ls`.")],
    *,
    yes: Yes = False,
) -> None:
    """Abort an upload under way: its writer is shut out and its bytes are removed."""
    _refuse_no_ids([attempt])
    confirm(f"Abort the upload {shown.name(attempt)}?", yes=yes)
    async with session.client() as client:
        owner, key = await client.admin.abort_attempt(attempt)
    session.output.result(
        f"aborted: {shown.name(key)} of {shown.name(owner)}", {"id": attempt, "owner_id": owner, "key": key}
    )


async def _requeue(
    session: Session, ids: list[str] | None, *, everything: bool, yes: bool, reset_pauses: bool
) -> None:
    if bool(ids) == everything:
        raise UsageProblem("name attempts, or use --all")
    _refuse_no_ids(ids or ())
    some = shown.count(len(ids or ()), "attempt")
    confirm("Retry all failed attempts?" if everything else f"Try {some} again?", yes=yes)
    async with session.client() as client:
        done = await client.admin.requeue(None if everything else ids, reset_pauses=reset_pauses)
    for one in done:
        session.output.result(one, {"id": one})
    for left in sorted({str(UUID(one)) for one in ids or ()} - set(done)):
        session.output.note(f"left alone: {left} (it has not failed, or there is no such attempt)")
    session.output.note(f"due now: {len(done)}; those that had not failed are left alone")


def _refuse_no_ids(ids: Iterable[str]) -> None:
    for text in ids:
        try:
            UUID(text)
        except ValueError:
            raise UsageProblem(
                f"{shown.name(text)} is not an attempt's id: `strongroom admin attempts ls` shows them"
            ) from None


def _status(found: CleanerStatus) -> str:
    lines = ["state         count       bytes       due   failing  oldest due"]
    lines += [_backlog(found.now, one) for one in found.backlog]
    lines += ["", "replica                                  last asked for work"]
    lines += [f"{shown.name(name):<40} {_ago(found.now, at)} ago" for name, at in found.replicas]
    if not found.replicas:
        lines.append("none within a day: does storage_service run?")
    lines += ["", f"failures: {'none' if not found.failures else ''}"]
    lines += [_failure(one) for one in found.failures]
    return "\n".join(lines)


def _backlog(now: datetime, one: CleanerBacklog) -> str:
    size, oldest = shown.size(one.size_bytes), _ago(now, one.oldest_due_at)
    return f"{one.state:<10} {one.count:>8}  {size:>10}  {one.due:>8}  {one.failing:>8}  {oldest}"


def _failure(one: CleanerFailure) -> str:
    most = shown.count(one.most_tries, "try", "tries")
    tries = f"{one.count:>8} since {shown.time(one.since)}, {most} at most"
    return f"{tries}: {shown.line(one.failure)} (as {one.example_id})"


def _ago(now: datetime, then: datetime | None) -> str:
    if then is None:
        return "-"
    seconds = max(0, round((now - then).total_seconds()))
    return f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"


def _line(one: Attempt) -> str:
    why = shown.line(one.failure) if one.failure else ""
    return (
        f"{one.state:<10} {one.tries:>4}  {shown.time(one.due_at)}  {one.id}  {shown.name(one.owner_id)}"
        f"  {shown.name(one.key)}  {why}"
    ).rstrip()


def _plain(value: Any) -> Any:
    """Return a value for JSON: times as RFC 3339."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
