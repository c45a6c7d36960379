"""The development stack: `python -m devstack up | down | status | infra`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from devstack import infra, leftovers, up
from devstack.datadir import DataDir
from devstack.errors import DevstackError, StopRequestedError
from devstack.settings import from_environ
from devstack.supervisor import Report
from strongroom import variables

_STOP_SECONDS = 180.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    explained = {
        "up": "bring everything up in the foreground; Ctrl-C stops it",
        "down": "stop the stack that runs on this data directory",
        "status": "say what runs; exit status 0 when all is healthy",
        "infra": "bring up Postgres and S3 only (for tests)",
    }
    for name, text in explained.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--data-dir", type=Path, help="instead of STRONGROOM_DATA_DIR (.strongroom)")
        if name == "infra":
            command.add_argument("--lifeline", action="store_true", help="stop when standard input ends")
    return parser


def report(title: str, text: str) -> None:
    """One line on standard output, at once."""
    sys.stdout.write(f"{title:<9} {text}\n")
    sys.stdout.flush()


def complain(title: str, text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{title:<9} {text}\n")
    sys.stderr.flush()


def status(data: DataDir, report: Report) -> bool:
    """Print a line for each process. Returns whether the stack is up and healthy."""
    supervisor = data.supervisor_pid()
    if supervisor is None:
        report("devstack", f"nothing runs on {data.root}")
        return False
    report("devstack", f"running  pid {supervisor}")
    for child in leftovers.read(data.children):
        report(child.name, f"running  pid {child.pid}")
    up = data.stack.exists() or data.infra.exists()
    report("devstack", f"healthy; see {data.stack}" if up else "not healthy (yet)")
    return up


def down(data: DataDir, report: Report) -> None:
    """Stop the stack of this data directory, or what a killed one left. Raises DevstackError after 180 s."""
    supervisor = data.supervisor_pid()
    if supervisor is None:
        left = leftovers.stop(data.children)
        report("devstack", f"stopped {', '.join(left)}" if left else f"nothing runs on {data.root}")
        return
    os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while data.supervisor_pid() == supervisor:
        if time.monotonic() > deadline:
            raise DevstackError(
                f"the supervisor (pid {supervisor}) has not stopped after {_STOP_SECONDS:.0f} s"
            )
        time.sleep(0.1)
    report("devstack", "stopped")


def main() -> int:
    """Run the command.

    Returns 0 after an orderly stop, 1 if the stack cannot start or is not up, 130 if a stop was requested
    before it was up.
    """
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except StopRequestedError as stopped:
        complain("devstack", str(stopped))
        return 130
    except DevstackError as error:
        complain("devstack", str(error))
        return 1


def _run(arguments: argparse.Namespace) -> int:
    # everything started from here inherits them
    os.environ.update(variables.environment(os.environ))
    variables.report(os.environ)
    settings = from_environ(os.environ, arguments.data_dir)
    data = DataDir(settings.data_dir)
    if arguments.command == "up":
        up.run(settings, report)
    elif arguments.command == "infra":
        infra.run(settings, complain, lifeline=arguments.lifeline)
    elif arguments.command == "down":
        down(data, report)
    else:
        return 0 if status(data, report) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
