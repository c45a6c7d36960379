"""One run of one command: its connection, its output, and how it ends."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode, explain
from strongroom.cli.settings import ConnectionOptions, client_settings
from strongroom.client.async_client import AsyncClient
from strongroom.errors import StrongroomError

Item = TypeVar("Item")
CANCEL_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Session:
    """What every command gets."""

    options: ConnectionOptions
    output: Output
    for_user: str = ""
    debug: bool = False

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[AsyncClient]:
        """A client that is closed at the end.

        :raises ConfigurationError: when the settings can't work.
        """
        settings = client_settings(self.options)
        settings = replace(settings, retry=replace(settings.retry, on_retry=_Waiting(self.output).tell))
        async with AsyncClient.with_settings(settings) as client:
            yield client.acting_for(self.for_user) if self.for_user else client
            if client.spool is not None and client.spool.kept:
                self.output.note(
                    f"{client.spool.kept} waiting in {client.spool.folder}: the service is away;"
                    " `strongroom spool flush` sends"
                )

    @contextmanager
    def told_if_interrupted(self, what: str) -> Iterator[None]:
        """Note ``what`` is left when somebody presses Ctrl-C inside."""
        try:
            yield
        except asyncio.CancelledError:
            self.output.note(what)
            raise

    def report(self, error: BaseException, subject: str = "") -> ExitCode:
        """Print a failure; the exit code it stands for."""
        if self.debug:
            traceback.print_exception(error)
        problem = explain(error)
        if isinstance(error, OSError) and str(error.filename or "") == subject:
            subject = ""  # the message begins with it
        self.output.problem(problem, subject)
        return problem.exit_code


class _Waiting:
    """Tells why a command waits: once, and again only when the reason is another one."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told = ""

    def tell(self, error: StrongroomError, delay: float) -> None:
        """Note that the next attempt comes in ``delay`` seconds."""
        reason = error.message.rstrip(".")
        if reason != self._told:
            self._told = reason
            self._output.note(f"{reason}; trying again in {delay:.1f} s")


def run(session: Session, command: Callable[[], Awaitable[ExitCode | None]]) -> ExitCode:
    """Run a command to its end; every failure becomes a line and an exit code."""

    async def to_the_end() -> ExitCode:
        try:
            return await command() or ExitCode.OK
        except asyncio.CancelledError:
            _cancel_again()
            raise

    try:
        code = asyncio.run(to_the_end())
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output has gone (`| head`): nothing to say.
        _drop_output()
        return ExitCode.BROKEN_PIPE
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - the outermost place
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return session.report(error)
    return code


def _cancel_again() -> None:
    """Cancel what is left of an interrupted command, each second until the event loop ends: a task that was
    interrupted while it connected may have taken the first cancellation for its connection's.
    """
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_later(CANCEL_AGAIN_SECONDS, cancel)

    loop.call_later(CANCEL_AGAIN_SECONDS, cancel)


def _drop_output() -> None:
    """What can't be written must not be tried again by the interpreter's exit, which has words and a code of
    its own for that.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_app(app: Callable[[], object]) -> None:
    """Run the program; what it could not write before a command began (help, to a full disk) is told, too."""
    try:
        app()
    except SystemExit as end:
        # Help is written by rich and click, which end a program whose reader has gone with 1.
        if isinstance(end.__context__, BrokenPipeError):
            raise SystemExit(int(ExitCode.BROKEN_PIPE)) from None
        raise
    except OSError as error:
        _drop_output()
        plain = Session(ConnectionOptions(), Output(as_json=False, quiet=False))
        raise SystemExit(int(plain.report(error))) from None


async def first(items: AsyncGenerator[Item], limit: int | None) -> AsyncGenerator[Item]:
    """At most ``limit`` of them (``None``: all); then they are closed."""
    given = 0
    async with aclosing(items):
        async for item in items:
            yield item
            given += 1
            if given == limit:
                return


class Tally:
    """The outcome of a command over several files: the first failure decides the exit code."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.exit_code = ExitCode.OK

    def failed(self, error: Exception, subject: str) -> None:
        """Report one failure and go on."""
        code = self._session.report(error, subject)
        self.exit_code = self.exit_code or code
