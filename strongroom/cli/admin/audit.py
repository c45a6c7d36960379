"""``strongroom admin audit``: lists the acts of admins."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.session import Session
from strongroom.cli.tally import first
from strongroom.client.admin_values import AdminAct


async def audit(
    session: Session,
    *,
    about: Annotated[
        str, typer.Option("--about", metavar="OWNER", help="Only about this user, erased or not.")
    ] = "",
    act: Annotated[str, typer.Option("--act", metavar="NAME", help="Only this act: set_quota, …")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = 100,
) -> None:
    """List what admins have done, newest first: when, who, what, about whom."""
    async with (
        session.client() as client,
        aclosing(first(client.admin.acts(about, act=act), limit)) as acts,
    ):
        async for found in acts:
            session.output.result(_line(found), _document(found))


def _line(act: AdminAct) -> str:
    whom = shown.name(act.owner_id) if act.owner_id else act.owner_sha256.hex()[:16]
    details = shown.line(json.dumps(act.details, ensure_ascii=False)) if act.details else ""
    parts = [
        shown.time(act.at),
        f"{act.act:<16}",
        f"{act.outcome:<8}",
        f"by {shown.name(act.actor)}" if act.actor else "by the installation",
        f"about {whom}" if whom else "",
        details,
    ]
    return "  ".join(part for part in parts if part)


def _document(act: AdminAct) -> dict[str, Any]:
    return {
        "id": act.id,
        "at": rfc3339(act.at),
        "act": act.act,
        "outcome": act.outcome,
        "actor": act.actor,
        "owner_id": act.owner_id,
        "owner_sha256": act.owner_sha256.hex(),
        "details": act.details,
        "request_id": act.request_id,
    }
