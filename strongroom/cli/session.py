"""One run of one command: its connection, its output, and its end."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from strongroom.cli.interrupts import Interrupts
from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode, explain
from strongroom.cli.settings import ConnectionOptions, client_settings
from strongroom.client.async_client import AsyncClient
from strongroom.errors import StrongroomError


@dataclass(frozen=True, slots=True)
class Session:
    """The first argument of every command."""

    options: ConnectionOptions
    output: Output
    for_user: str = ""
    debug: bool = False

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[AsyncClient]:
        """Yield a client and close it at the end.

        :raises ConfigurationError: a setting is missing or wrong.
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
        """Print ``what`` if the block is interrupted by Ctrl-C."""
        try:
            yield
        except asyncio.CancelledError:
            self.output.note(what)
            raise

    def report(self, error: BaseException, subject: str = "") -> ExitCode:
        """Print a failure and return its exit code."""
        if self.debug:
            traceback.print_exception(error)
        problem = explain(error)
        if isinstance(error, OSError) and str(error.filename or "") == subject:
            subject = ""  # the message begins with the name
        self.output.problem(problem, subject)
        return problem.exit_code


class _Waiting:
    """Prints why a command waits: once, and again if the reason changes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told = ""

    def tell(self, error: StrongroomError, delay: float) -> None:
        """Note that the next attempt begins in ``delay`` seconds."""
        reason = error.message.rstrip(".")
        if reason != self._told:
            self._told = reason
            self._output.note(f"{reason}; trying again in {delay:.1f} s, then less often (Ctrl-C stops)")


def run(session: Session, command: Callable[[], Awaitable[ExitCode | None]]) -> ExitCode:
    """Run a command; every failure becomes a line and an exit code."""

    async def to_the_end(interrupts: Interrupts) -> ExitCode:
        interrupts.end_this()
        return await command() or ExitCode.OK

    try:
        with Interrupts() as interrupts:
            code = asyncio.run(to_the_end(interrupts))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`| head`).
        _drop_output()
        return ExitCode.BROKEN_PIPE
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - the outermost place
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return session.report(error)
    return code


def _drop_output() -> None:
    """Discard buffered output. Otherwise the interpreter would try to write it again at exit, with a message
    of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_app(app: Callable[[], object]) -> None:
    """Run the program, and report output errors that occur before a command begins (help on a full disk)."""
    try:
        app()
    except SystemExit as end:
        # Help is written by rich and click, which exit with 1 if the reader has gone.
        if isinstance(end.__context__, BrokenPipeError):
            raise SystemExit(int(ExitCode.BROKEN_PIPE)) from None
        raise
    except OSError as error:
        _drop_output()
        plain = Session(ConnectionOptions(), Output(as_json=False, quiet=False))
        raise SystemExit(int(plain.report(error))) from None
