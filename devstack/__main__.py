"""`python -m devstack up | down | status | infra`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from devstack import infra
from devstack.errors import DevstackError, StopRequestedError
from devstack.settings import from_environ


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    servers = commands.add_parser("infra", help="bring up Postgres and S3 only")
    servers.add_argument("--lifeline", action="store_true", help="stop when standard input ends")
    for command in (servers,):
        command.add_argument(
            "--data-dir", type=Path, help="instead of STRONGROOM_DATA_DIR (default .strongroom)"
        )
    return parser


def report(title: str, text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{title:<9} {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Exit status 0 after an orderly stop, 1 when the stack cannot start or go on, 130 when stopped before it was up."""
    arguments = _parser().parse_args()
    try:
        settings = from_environ(os.environ, arguments.data_dir)
        infra.run(settings, report, lifeline=arguments.lifeline)
    except StopRequestedError as stopped:
        report("devstack", str(stopped))
        return 130
    except DevstackError as error:
        report("devstack", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
