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

#: Columns below which the tables of help would cut the names of options short: there it is plain text.
TABLES_FROM: Final = 60
#: A shell sets it that asks what may stand next; whatever is said then lands in the line that somebody types.
COMPLETES: Final = "_STRONGROOM_COMPLETE"


def main() -> None:
    """Run the command line with the arguments of the process, and `.env` below its environment; exits it."""
    _open_streams()
    with _ended_by_ctrl_c():
        # All of it here: `import strongroom.cli` stays cheap, and a Ctrl-C finds it in here.
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
    """Open what the caller has closed (``<&-``, ``>&-``, ``2>&-``), as POSIX lets programs do: the next file
    would get its number, and what is written there. Input and output then fail as for a closed file;
    messages are lost. Output takes any text, whatever its encoding can say.
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
        with suppress(OSError):  # a stream that was opened for another file than it has now
            sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """While modules are imported a Ctrl-C ends the process by its signal, as a shell expects (130), and not
    with the stack of whichever module was at it. A SIGINT that somebody handles or ignores stays theirs.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
