"""How a command ends that was interrupted."""

from __future__ import annotations

import asyncio
import os
import signal

from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode
from strongroom.cli.session import Session, run
from strongroom.cli.settings import ConnectionOptions


def test_a_task_that_takes_the_first_cancellation_for_something_else() -> None:
    cancelled = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append("once")
        await asyncio.sleep(3600)

    async def command() -> ExitCode:
        left = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(3600)
        left.cancel()
        return ExitCode.OK

    options = ConnectionOptions(None, None, None, None, None, None)
    session = Session(options, Output(as_json=False, quiet=False))
    assert run(session, command) == ExitCode.INTERRUPTED
    assert cancelled == ["once"]
