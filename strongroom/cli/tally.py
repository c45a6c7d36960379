"""Commands on several files: each is reported by itself, and the first failure decides the exit code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode
from strongroom.cli.progress import bars_for
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.uploads import Progress
from strongroom.errors import StrongroomError

Item = TypeVar("Item")


async def first(items: AsyncGenerator[Item], limit: int | None) -> AsyncGenerator[Item]:
    """Yield at most ``limit`` items (``None``: all), then close the generator."""
    given = 0
    async with aclosing(items):
        async for item in items:
            yield item
            given += 1
            if given == limit:
                return


class Tally:
    """The outcome of a command for several files: the first failure decides the exit code."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.exit_code = ExitCode.OK

    def failed(self, error: Exception, subject: str) -> None:
        """Report one failure."""
        code = self._session.report(error, subject)
        self.exit_code = self.exit_code or code


async def store_each(
    session: Session,
    sources: Iterable[Path],
    store: Callable[[AsyncClient, Path, Progress], Awaitable[StoredFile]],
) -> ExitCode:
    """Call ``store`` for every source, with progress bars, and print the keys."""
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


async def change_each(
    session: Session, names: Iterable[str], change: Callable[[AsyncClient, str], Awaitable[StoredFile]]
) -> ExitCode:
    """Call ``change`` for every name, such as a deletion, and print the keys."""
    tally = Tally(session)
    async with session.client() as client:
        for name in names:
            try:
                file = await change(client, name)
            except StrongroomError as error:
                tally.failed(error, name)
            else:
                show(session, file)
    return tally.exit_code


def show(session: Session, file: StoredFile) -> None:
    """Print a file as the result of a command."""
    session.output.result(shown.name(file.key), file_document(file))
