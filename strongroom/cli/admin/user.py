"""``strongroom admin user``: erases or exports everything that one user has stored."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from strongroom.cli import shown
from strongroom.cli.admin.usage import OWNER
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.export import Destination, Force, export_to
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session
from strongroom.client.admin_values import Erasure
from strongroom.client.async_client import AsyncClient

POLL_SECONDS: Final = 0.5
LONGEST_POLL_SECONDS: Final = 10.0


async def erase(
    session: Session,
    owner: Annotated[str, OWNER],
    *,
    yes: Yes = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start it and don't wait.")] = False,
    override_holds: Annotated[
        bool, typer.Option("--override-holds", help="Also what is under retention or legal hold.")
    ] = False,
) -> None:
    """Erase everything a user has stored: files, versions, projects, uploads, events. This can't be undone.

    It continues in the background and ends when the last object is gone for good, after the tombstone grace
    (usually an hour). Then a signed receipt is printed. Until then nothing can be stored for the user.
    """
    async with session.client() as client:
        now = await client.admin.quota(owner)
        has = f"{shown.count(now.file_count, 'file')}, {shown.size(now.used_bytes)}"
        confirm(f"Erase everything of {shown.name(owner)} ({has}) for good?", yes=yes)
        begun = await client.admin.erase_user(owner, override_holds=override_holds)
        if no_wait:
            session.output.note(f"to see its progress: strongroom admin user erasure {begun.id}")
            session.output.result(_text(begun), _document(begun))
            return
        ended = await _ended(session, client, begun)
    session.output.result(_text(ended), _document(ended))


async def export(
    session: Session, owner: Annotated[str, OWNER], *, output: Destination, force: Force = False
) -> ExitCode:
    """Write everything a user has stored to a ZIP with a manifest.json. Exit code 8: something was lost."""
    return await export_to(session, owner, output, force=force)


async def erasure(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="ID|OWNER", help="An erasure, or the last one of a user.")],
) -> None:
    """Show the progress of an erasure or, once it has ended, its signed receipt."""
    async with session.client() as client:
        if _is_id(name):
            found = await client.admin.erasure(name)
        else:
            found = await client.admin.erasure(owner_id=name)
    session.output.result(_text(found), _document(found))


async def _ended(session: Session, client: AsyncClient, found: Erasure) -> Erasure:
    pause, told = POLL_SECONDS, ""
    while True:
        found = await client.admin.erasure(found.id)
        if found.ended_at is not None:
            return found
        left = _left(found)
        if left != told:
            session.output.note(left)
            told = left
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, LONGEST_POLL_SECONDS)


def _left(found: Erasure) -> str:
    rest = found.rest
    parts = [shown.count(count, name.removesuffix("s"), name) for name, count in rest.items() if count]
    due = f"; the last is due {shown.time(found.due_at)}" if found.due_at else ""
    return f"still there: {', '.join(parts) or 'nothing'}{due}"


def _text(found: Erasure) -> str:
    counts = found.counts
    objects = f"{counts['objects']} ({shown.size(counts['object_bytes'])})"
    lines = [
        f"erasure    {found.id} ({'ended' if found.ended_at else 'under way'})",
        f"whose      sha256 {found.owner_sha256.hex()}",
        f"when       {rfc3339(found.begun_at)} to {rfc3339(found.ended_at) or '…'}",
        f"as of      database position {found.begin_position} to {found.end_position or '…'}",
        f"files      {counts['files']}",
        f"projects   {counts['projects']} with {shown.count(counts['project_versions'], 'version')}",
        f"uploads    {counts['attempts']} given up, {counts['upload_sessions']} resumable ones forgotten",
        f"objects    {objects}",
        f"events     {counts['events']}; answers {counts['answers']}; other rows {counts['other_rows']}",
        f"findings   {counts['findings']} of verifications no longer name the user",
    ]
    if found.ended_at is None:
        return "\n".join([*lines, _left(found)])
    held = rfc3339(found.backups_hold_until) or "not known: STRONGROOM_BACKUP_DAYS is not set"
    signed = [f"signature  {found.signature.hex()}", f"signed by  {found.public_key.hex()}"]
    seen = rfc3339(found.quarantine_seen_at) or "not looked through yet"
    return "\n".join([*lines, f"in backups until {held}", f"quarantine {seen}", *signed])


def _document(found: Erasure) -> dict[str, Any]:
    """Return the erasure for ``--json``. ``receipt`` is the signed text, ``summary`` its parsed form."""
    if found.ended_at is None:
        return {"id": found.id, "state": "running", "counts": found.counts, "rest": found.rest} | {
            "due_at": rfc3339(found.due_at)
        }
    return {
        "id": found.id,
        "state": "ended",
        "receipt": found.receipt.decode("ascii"),
        "signature": base64.b64encode(found.signature).decode("ascii"),
        "public_key": base64.b64encode(found.public_key).decode("ascii"),
        "summary": json.loads(found.receipt),
        "quarantine_seen_at": rfc3339(found.quarantine_seen_at),
    }


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
