"""``strongroom export``: all that one has stored, as one ZIP."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session

Destination = Annotated[Path, typer.Option("--output", "-o", metavar="FILE.zip", help="Where it goes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
MANIFEST = "manifest.json"


async def export(session: Session, *, output: Destination, force: Force = False) -> ExitCode:
    """Write all that you have stored to a ZIP: files, also soft-deleted ones, and all versions of projects.

    Its manifest.json says what everything was. Exit code 8: something was lost.
    """
    return await export_to(session, "", output, force=force)


async def export_to(session: Session, owner: str, output: Path, *, force: bool) -> ExitCode:
    """Of ``owner``; empty: the caller's.

    :raises FileExistsError: something is there, and ``force`` is not said.
    """
    if not force and await asyncio.to_thread(output.exists):
        raise FileExistsError(17, "is already there; add --force, or name another file", str(output))
    async with session.client() as client:
        acting = client.acting_for(owner) if owner else client
        with bars_for(session.output) as bars, bars.transfer(output.name) as report:
            size = await acting.export(output, on_progress=report)
    lost = await asyncio.to_thread(_lost, output)
    for one in lost:
        session.output.note(f"lost: {shown.line(json.dumps(one, ensure_ascii=False))}")
    session.output.result(
        shown.name(str(output)), {"path": str(output), "size_bytes": size, "lost": len(lost)}
    )
    return ExitCode.DAMAGED if lost else ExitCode.OK


def _lost(path: Path) -> list[dict[str, Any]]:
    """What the manifest names as lost."""
    with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as manifest:
        found: list[dict[str, Any]] = json.load(manifest)["lost"]
    return found
