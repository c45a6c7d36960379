"""``strongroom get``: writes a file to disk or standard output, or all below a folder to a local one."""

from __future__ import annotations

import errno
import sys
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import STDOUTS, file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally
from strongroom.client.async_client import AsyncClient
from strongroom.client.path_downloads import local_name
from strongroom.errors import FileNotFound, StrongroomError
from strongroom.path_rules import as_stored


async def get(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="File, folder, or - for standard output. Default: here, under its own name.",
        ),
    ] = "",
    *,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DESTINATION", help="Same as DESTINATION, as in curl.")
    ] = "",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="FILE is a folder: get everything below it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing file of that name in the folder.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Continue from what an earlier attempt left.")] = True,
    offset: Annotated[
        int, typer.Option(help="First byte; negative: counted from the end. Only to standard output.")
    ] = 0,
    length: Annotated[int | None, typer.Option(min=0, help="Maximum number of bytes.")] = None,
    version: Annotated[str, typer.Option("--version-id", help="Only this version of the content.")] = "",
) -> ExitCode:
    """Download a file. Prints where it was written. A broken download resumes where it stopped."""
    if destination and output:
        raise UsageProblem(f"{destination} and --output {output} are two destinations; give one of them")
    destination = destination or output or "."
    if recursive:
        if destination in STDOUTS or offset or length is not None or version:
            raise UsageProblem("-r needs a local folder to write to")
        return await _get_folder(session, file, Path(destination), force=force)
    async with session.client() as client:
        if destination in STDOUTS:
            await _to_stdout(client, file, offset, length, version)
            return ExitCode.OK
        if offset or length is not None:
            raise UsageProblem("--offset and --length need standard output: strongroom get FILE - --offset …")
        path = await _place(client, file, Path(destination), force=force)
        with bars_for(session.output) as bars, bars.transfer(path.name) as report:
            done = await client.download(file, path, version_id=version, resume=resume, on_progress=report)
    text = shown.name(str(done.path))
    session.output.result(text, {"path": str(done.path), **file_document(done.file)})
    return ExitCode.OK


async def _to_stdout(client: AsyncClient, file: str, offset: int, length: int | None, version: str) -> None:
    out = sys.stdout.buffer
    blocks = client.stream(file, offset=offset, length=length, version_id=version)
    async with aclosing(blocks):
        async for block in blocks:
            out.write(block)
    out.flush()


async def _place(client: AsyncClient, file: str, destination: Path, *, force: bool) -> Path:
    """Return the local path. A name chosen by somebody else replaces no file without ``force``.

    :raises FileExistsError: it would replace one.
    """
    if not destination.is_dir():  # noqa: ASYNC240 - one look at a local path
        return destination
    path = destination / local_name(await client.get(file))
    if (path.exists() or path.is_symlink()) and not force:
        raise FileExistsError(
            errno.EEXIST, "is already there; add --force, or name the destination", str(path)
        )
    return path


async def _get_folder(session: Session, folder: str, destination: Path, *, force: bool) -> ExitCode:
    """Fetch every file whose key is below ``folder`` and print the local paths. Failures are independent.

    Nothing is written outside of ``destination``, and no existing file is replaced without ``force``.
    """
    prefix = as_stored(folder).rstrip("/") + "/"
    tally, found = Tally(session), False
    async with session.client() as client:
        with bars_for(session.output) as bars:
            async for file in client.list(prefix):
                found = True
                try:
                    path = place_below(destination, file.key.removeprefix(prefix), force=force)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with bars.transfer(path.name) as report:
                        done = await client.download(file, path, on_progress=report)
                except (StrongroomError, OSError) as error:
                    tally.failed(error, file.key)
                    continue
                session.output.result(
                    shown.name(str(done.path)), {"path": str(done.path), **file_document(done.file)}
                )
    if not found:
        tally.failed(FileNotFound("There is no such folder."), folder)
    return tally.exit_code


def place_below(destination: Path, relative: str, *, force: bool) -> Path:
    """Return the local path of a file.

    :raises OSError: the name or a link leads out of ``destination``, or a file exists.
    """
    parts = PurePosixPath(relative).parts
    if not parts or PurePosixPath(relative).is_absolute() or {"..", "."} & set(parts) or "\0" in relative:
        raise OSError(errno.EINVAL, "is no name of a local file", relative)
    path = destination.joinpath(*parts)
    root = destination.resolve()
    if not path.parent.resolve().is_relative_to(root):
        raise OSError(errno.ELOOP, "leads out of the folder by a link", str(path))
    if path.is_symlink():  # even one that leads nowhere yet would be followed when writing
        raise OSError(errno.ELOOP, "is a link; what it leads to is not replaced", str(path))
    if path.exists() and not force:
        raise FileExistsError(errno.EEXIST, "is already there; add --force", str(path))
    return path
