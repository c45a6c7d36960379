"""Applies a command to several files: each is reported by itself, and failures are independent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session, Tally
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.uploads import Progress
from strongroom.errors import StrongroomError


async def store_each(
    session: Session,
    sources: Iterable[Path],
    store: Callable[[AsyncClient, Path, Progress], Awaitable[StoredFile]],
) -> ExitCode:
    """Call ``store`` for every source, with progress bars, and print the keys.

    The first failure decides the exit code.
    """
    tally = Tally(session)
    async with session.client() as client:
        with bars_for(session.output) as bars:
            for source in sources:
                try:
                    with bars.transfer(str(source)) as report:
                        file = await store(client, source, report)
                except (StrongroomError, OSError) as error:
                    tally.failed(error, str(source))
                else:
                    show(session, file)
    return tally.exit_code


async def delete_each(
    session: Session, names: Iterable[str], delete: Callable[[AsyncClient, str], Awaitable[StoredFile]]
) -> ExitCode:
    """Call ``delete`` for every name, and print the keys. The first failure decides the exit code."""
    tally = Tally(session)
    async with session.client() as client:
        for name in names:
            try:
                file = await delete(client, name)
            except StrongroomError as error:
                tally.failed(error, name)
            else:
                show(session, file)
    return tally.exit_code


def show(session: Session, file: StoredFile) -> None:
    """Print a file as the result of a command."""
    session.output.result(shown.name(file.key), file_document(file))
