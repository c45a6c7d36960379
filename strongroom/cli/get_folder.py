"""``strongroom get -r``: writes everything below a folder to a local one."""

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session, Tally
from strongroom.errors import FileNotFound, StrongroomError
from strongroom.path_rules import as_stored


async def get_folder(session: Session, folder: str, destination: Path, *, force: bool) -> ExitCode:
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
