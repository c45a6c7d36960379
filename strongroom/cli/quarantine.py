"""``strongroom verify quarantine``, ``restore``, ``purge``: objects that repairs and drops have moved."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session
from strongroom.client.verification_values import Quarantined

_BACK: Final = "what is restored stays restored; run the same command again to continue"
_GONE: Final = "what is deleted is gone; run the same command again to continue"


async def quarantine(session: Session) -> ExitCode:
    """List what repairs and `adopt drop` moved to quarantine. Needs the admin role.

    Exit code 8: an entry is damaged and can't be identified.
    """
    code = ExitCode.OK
    async with session.client() as client, aclosing(client.verifications.quarantine()) as found:
        async for entry in found:
            session.output.result(_line(entry), _document(entry))
            if not entry.is_readable:
                code = ExitCode.DAMAGED
    return code


async def restore(
    session: Session,
    entry_id: Annotated[
        str, typer.Argument(metavar="ID", help="An entry, as shown by `verify quarantine`.")
    ] = "",
    *,
    run: Annotated[
        str, typer.Option("--run", metavar="ID", help="Everything that the repair of this run moved.")
    ] = "",
) -> ExitCode:
    """Bring an object back to its key, as a new version. Needs the admin role."""
    if bool(entry_id) == bool(run):
        raise UsageProblem("Name an entry (`strongroom verify quarantine` lists them), or a run with --run.")
    async with session.client() as client:
        if entry_id:
            entry = await client.verifications.restore(entry_id)
            session.output.result(entry.key, _document(entry))
            return ExitCode.OK
        with session.told_if_interrupted(_BACK):
            async with aclosing(client.verifications.restore_run(run)) as restored:
                async for entry in restored:
                    session.output.result(entry.key, _document(entry))
    return ExitCode.OK


async def purge(
    session: Session,
    entry_id: Annotated[
        str, typer.Argument(metavar="[ID]", help="An entry, as shown by `verify quarantine`.")
    ] = "",
    *,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="TIME", help="Everything moved longer ago than: 7d, 12h, 0s (all of it)."
        ),
    ] = "",
    yes: Yes = False,
) -> None:
    """Delete from quarantine for good, before it expires. This can't be undone. Needs the admin role."""
    if bool(entry_id) == bool(older_than):
        raise UsageProblem(
            "Name an entry (`strongroom verify quarantine` lists them), or use --older-than 7d."
        )
    before = _ago(older_than) if older_than else None
    async with session.client() as client:
        async with aclosing(client.verifications.quarantine()) as found:
            meant = [
                one
                async for one in found
                if one.id == entry_id or (before is not None and one.moved_at < before)
            ]
        size = shown.size(sum(one.size_bytes for one in meant))
        if meant:
            confirm(f"Remove {shown.count(len(meant), 'object')} ({size}) for good?", yes=yes)
        if before is None:
            purged = await client.verifications.purge(entry_id)
            session.output.result(_gone(purged), _document(purged))
            return
        count = 0
        with session.told_if_interrupted(_GONE):
            async with aclosing(client.verifications.purge_before(before)) as gone:
                async for purged in gone:
                    count += 1
                    session.output.result(_gone(purged), _document(purged))
        session.output.note(f"{shown.count(count, 'object')} removed for good")


def _ago(text: str) -> datetime:
    try:
        return datetime.now(UTC) - shown.duration(text)
    except (ValueError, OverflowError) as error:
        raise UsageProblem(f"--older-than {error}") from None


def _gone(entry: Quarantined) -> str:
    what = shown.name(entry.key) if entry.is_readable else "its manifest could not be read"
    return f"{entry.id}  {shown.size(entry.size_bytes)}  {what}"


def _line(entry: Quarantined) -> str:
    until = f"until {shown.time(entry.purge_at)}"
    if not entry.is_readable:
        return f"{entry.id}  {'damaged':<16}  {until}  its manifest can't be read"
    parts = (entry.id, f"{entry.why:<16}", until, shown.size(entry.size_bytes), shown.name(entry.key))
    return "  ".join(parts)


def _document(entry: Quarantined) -> dict[str, Any]:
    return {
        "id": entry.id,
        "key": entry.key,
        "version_id": entry.version_id,
        "size_bytes": entry.size_bytes,
        "crc32c": f"{entry.crc32c:08x}",
        "content_type": entry.content_type,
        "metadata": dict(entry.metadata),
        "why": entry.why,
        "run_id": entry.run_id,
        "moved_at": rfc3339(entry.moved_at),
        "purge_at": rfc3339(entry.purge_at),
        "is_readable": entry.is_readable,
    }
