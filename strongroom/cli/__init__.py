"""The command line: ``strongroom put | get | ls | rm | …``. See docs/cli.md."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

#: Width in columns below which help's tables would cut option names; then help is plain text.
TABLES_FROM: Final = 60
#: Set by a shell that asks for completions. Any output would then end up in the line being typed.
COMPLETES: Final = "_STRONGROOM_COMPLETE"


def main() -> None:
    """Run the command line with the process's arguments, and `.env` below its environment. Doesn't return."""
    _open_streams()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log lines would stand between ours
    with _ended_by_ctrl_c():
        # Imports are here, so that `import strongroom.cli` is cheap and Ctrl-C during them is handled.
        from strongroom import variables  # noqa: PLC0415

        os.environ.update(variables.environment(os.environ))
        if COMPLETES not in os.environ:
            variables.report(os.environ)
        if shutil.get_terminal_size().columns < TABLES_FROM:
            os.environ.setdefault("TYPER_USE_RICH", "0")  # read when typer is imported
        from strongroom.cli.app import app  # noqa: PLC0415
        from strongroom.cli.session import run_app  # noqa: PLC0415
    run_app(app)


def _open_streams() -> None:
    """Open streams that the caller has closed (``<&-``, ``>&-``, ``2>&-``), as POSIX allows.

    Otherwise the next file that is opened would get their number and their output. Input and output then fail
    as for a closed file; messages are lost. Output accepts any text, even if its encoding can't represent it.
    """
    for number, name, mode, opened in (
        (0, "stdin", "r", os.O_WRONLY),
        (1, "stdout", "w", os.O_RDONLY),
        (2, "stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, opened)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - it is the process's
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors != "backslashreplace":
        with suppress(OSError):  # the stream was opened for another file than its descriptor has now
            sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C during imports end the process by its signal, as a shell expects (130), and not with a stack
    trace.

    A SIGINT that is handled or ignored already is left alone.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
