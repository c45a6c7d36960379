"""``strongroom export``: writes everything that a user has stored to one ZIP, or to a folder."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.output import STDOUTS, file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.local_files import is_special

Destination = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.zip|FOLDER/|-",
        help="Where to write it. A path that ends in / is a folder, - is standard output (a pipe).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
MANIFEST = "manifest.json"
DEV_STDOUT = Path("/dev/stdout")
_LEFT_OUT = (
    "not in a folder: older versions of projects, soft-deleted files, shares and webhooks;"
    " a ZIP has them (-o FILE.zip)"
)
_COMES_BACK = "archived objects are being restored; export again when that has ended"


async def export(session: Session, *, output: Destination, force: Force = False) -> ExitCode:
    """Write everything you have stored to a ZIP: files, including soft-deleted ones, and all versions of
    projects.

    To a folder: files and the newest version of each project, without shares and webhooks. If interrupted,
    run the same command again; a later run fetches only what is missing. The manifest describes everything.
    Exit code 8: something was lost; 7: something lies in an archive class and is being restored: export again
    later.
    """
    return await export_to(session, "", output, force=force)


def stdout_or(output: str) -> Path:
    """Return the destination of an archive; for ``-`` the pipe behind standard output.

    :raises UsageProblem: standard output is not a pipe.
    """
    if output not in STDOUTS:
        return Path(output)
    if not is_special(DEV_STDOUT) or sys.stdout.isatty():
        raise UsageProblem(f"{output} needs standard output to be a pipe; redirect it, or name a file")
    return DEV_STDOUT


async def export_to(session: Session, owner: str, output: str, *, force: bool) -> ExitCode:
    """Export the files of ``owner``; empty: the caller's.

    :raises FileExistsError: the file exists, and ``force`` was not given. :raises UsageProblem: no output was
    named.
    """
    if not output:
        raise UsageProblem("--output is empty; name a file, or a folder")
    path = stdout_or(output)
    as_folder = output.endswith(("/", os.sep)) or await asyncio.to_thread(path.is_dir)
    async with session.client() as client:
        acting = client.acting_for(owner) if owner else client
        if as_folder:
            return await _to_folder(session, acting, path)
        return await _to_zip(session, acting, path, force=force)


async def _to_folder(session: Session, client: AsyncClient, root: Path) -> ExitCode:
    from strongroom.migrate.exporting import FolderExport  # noqa: PLC0415 - only needed for folders

    with bars_for(session.output) as bars, bars.transfer(root.name) as report:
        outcome = await FolderExport(client, root, report, file_document).run()
    for name, why in outcome.failed:
        session.output.problem_of(name, "NOT_EXPORTED", why)
    session.output.result(
        shown.name(str(root)),
        {
            "path": str(root),
            "files": outcome.files,
            "projects": outcome.projects,
            "fetched": outcome.fetched,
            "size_bytes": outcome.bytes,
            "lost": outcome.lost,
            "archived": outcome.archived,
        },
    )
    session.output.note(_LEFT_OUT)
    if outcome.archived:
        session.output.note(_COMES_BACK)
    if outcome.lost or outcome.archived:
        return _ended(outcome.lost, outcome.archived)
    return ExitCode.LOCAL_FILE if outcome.failed else ExitCode.OK


async def _to_zip(session: Session, client: AsyncClient, output: Path, *, force: bool) -> ExitCode:
    if await asyncio.to_thread(is_special, output):
        await client.export(output)
        session.output.note(f"if anything was lost, its {MANIFEST} lists it")
        return ExitCode.OK
    if not force and await asyncio.to_thread(output.exists):
        raise FileExistsError(
            errno.EEXIST, "is already there; add --force, or name another file", str(output)
        )
    with bars_for(session.output) as bars, bars.transfer(output.name) as report:
        size = await client.export(output, on_progress=report)
    missing = await asyncio.to_thread(_missing, output)
    for one in missing:
        word = "archived" if one.get("archived") else "lost"
        session.output.note(f"{word}: {shown.line(json.dumps(one, ensure_ascii=False))}")
    archived = sum(bool(one.get("archived")) for one in missing)
    lost = len(missing) - archived
    session.output.result(
        shown.name(str(output)),
        {"path": str(output), "size_bytes": size, "lost": lost, "archived": archived},
    )
    if archived:
        session.output.note(_COMES_BACK)
    return _ended(lost, archived)


def _ended(lost: int, archived: int) -> ExitCode:
    if lost:
        return ExitCode.DAMAGED
    return ExitCode.UNAVAILABLE if archived else ExitCode.OK


def _missing(path: Path) -> list[dict[str, Any]]:
    """Return the entries that the manifest names as lost, temporarily or for good."""
    with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as manifest:
        found: list[dict[str, Any]] = json.load(manifest)["lost"]
    return found
