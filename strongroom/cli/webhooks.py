"""``strongroom webhooks``: manages webhooks, which send events to a URL."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.cli.tally import first
from strongroom.client import AsyncClient
from strongroom.client.webhooks import Delivery, Webhook, Webhooks

ID = typer.Argument(metavar="WEBHOOK", help="Its id, as shown by `webhooks list`.")
AllUsers = Annotated[
    bool,
    typer.Option("--all-users", help="The installation's webhooks, for the events of all users (admins)."),
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="file_ready …; may be repeated; default: all."),
]
Families = Annotated[
    list[str] | None,
    typer.Option("--family", metavar="NAME", help="generation …; may be repeated; default: all."),
]


async def create(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send them.")],
    *,
    types: Types = None,
    families: Families = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    all_users: AllUsers = False,
) -> None:
    """Send events to a URL. Prints the webhook's id and, this once, its secret."""
    async with session.client() as client:
        made = await _of(client, all_users).create(
            url, description=description, types=types or (), families=families or ()
        )
    session.output.result(f"{made.id}  {made.secret}", _document(made))


async def list_(session: Session, *, all_users: AllUsers = False) -> None:
    """List webhooks, newest first: id, state, waiting, dead letters, URL, last failure."""
    async with session.client() as client, aclosing(_of(client, all_users).list()) as webhooks:
        async for one in webhooks:
            session.output.result(_line(one), _document(one))


async def update(
    session: Session,
    webhook: Annotated[str, ID],
    *,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Where to send them.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    types: Types = None,
    families: Families = None,
    pause: Annotated[bool, typer.Option("--pause", help="Send nothing until --resume.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Send again, even if it was disabled.")] = False,
    all_users: AllUsers = False,
) -> None:
    """Change a webhook's URL, description or filter; pause or resume it."""
    if pause and resume:
        raise UsageProblem("choose --pause or --resume")
    if not (pause or resume or types or families) and {url, description} == {None}:
        raise UsageProblem("nothing to change; give --url, --description, --type, --pause …")
    async with session.client() as client:
        changed = await _of(client, all_users).update(
            webhook,
            url=url,
            description=description,
            types=types,
            families=families,
            paused=pause if pause or resume else None,
        )
    session.output.result(_line(changed), _document(changed))


async def delete(
    session: Session, webhook: Annotated[str, ID], *, all_users: AllUsers = False, yes: Yes = False
) -> None:
    """Remove a webhook with its deliveries."""
    confirm(f"Remove the webhook {shown.name(webhook)}?", yes=yes)
    async with session.client() as client:
        await _of(client, all_users).delete(webhook)
    session.output.result(f"removed: {shown.name(webhook)}", {"id": webhook})


async def rotate(
    session: Session,
    webhook: Annotated[str, ID],
    *,
    overlap: Annotated[
        str,
        typer.Option("--overlap", metavar="SPAN", help="How long the old secrets keep signing, too: 1h, 0s."),
    ] = "24h",
    all_users: AllUsers = False,
) -> None:
    """Make a new secret and print it, this once."""
    span = shown.duration(overlap)
    async with session.client() as client:
        made = await _of(client, all_users).rotate_secret(webhook, overlap=span)
    session.output.result(f"{made.id}  {made.secret}", _document(made))


async def ping(session: Session, webhook: Annotated[str, ID], *, all_users: AllUsers = False) -> None:
    """Send a ping, ahead of what is waiting."""
    async with session.client() as client:
        made = await _of(client, all_users).test(webhook)
    session.output.result(_delivery_line(made), _document(made))


async def deliveries(
    session: Session,
    webhook: Annotated[str, ID],
    *,
    state: Annotated[str, typer.Option(metavar="STATE", help="pending, delivered or dead.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = 100,
    all_users: AllUsers = False,
) -> None:
    """List deliveries, newest event first: id, state, tries, event, subject, last failure."""
    async with (
        session.client() as client,
        aclosing(first(_of(client, all_users).deliveries(webhook, state=state), limit)) as found,
    ):
        async for one in found:
            session.output.result(_delivery_line(one), _document(one))


async def replay(
    session: Session,
    webhook: Annotated[str, ID],
    delivery: Annotated[str, typer.Argument(metavar="[DELIVERY]", help="This one only.")] = "",
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters.")] = False,
    after: Annotated[str, typer.Option(metavar="EVENT", help="All events after the one with this id.")] = "",
    all_users: AllUsers = False,
) -> None:
    """Send again: one delivery, all dead letters, or all events after one."""
    if sum(map(bool, (delivery, dead, after))) != 1:
        raise UsageProblem("name a delivery, --dead or --after, one of them")
    async with session.client() as client:
        count = await _of(client, all_users).replay(webhook, delivery_id=delivery, after=after)
    told = "events are read again" if after else f"waiting again: {count}"
    session.output.result(told, {"id": webhook, "replayed": count})


def _of(client: AsyncClient, all_users: bool) -> Webhooks:
    return client.webhooks.of_all_users() if all_users else client.webhooks


def _line(webhook: Webhook) -> str:
    state = f"{webhook.state} ({webhook.cause})" if webhook.cause else webhook.state
    parts = [webhook.id, f"{state:<8}", str(webhook.pending).rjust(5), str(webhook.dead).rjust(5)]
    return "  ".join([*parts, shown.name(webhook.url), shown.line(webhook.last_failure)]).rstrip()


def _delivery_line(one: Delivery) -> str:
    event = one.event.type.replace("-", "_")
    parts = [one.id, f"{one.state:<9}", str(one.tries).rjust(3), f"{event:<16}"]
    return "  ".join([*parts, shown.name(one.event.subject_id), shown.line(one.failure)]).rstrip()


def _document(value: Any) -> dict[str, Any]:
    return {
        name: _plain(part) for name, part in dataclasses.asdict(value).items() if name != "secret" or part
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return rfc3339(value) if isinstance(value, datetime) else value
