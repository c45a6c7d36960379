"""The command line: which services, and in how many processes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from servicekit.settings import SettingError, stop
from strongroom import variables
from strongroom_server import workers
from strongroom_server.targets import MODULES, TARGETS, Share

#: Set by the supervisor for its workers: the number of this one, and of all.
WORKER: Final = "--worker"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strongroom", description="Serve Strongroom until SIGTERM.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve until SIGTERM",
        description="Serve all services, or one, in one or more processes, until SIGTERM.",
    )
    serve.add_argument(
        "--target",
        choices=("all", *TARGETS),
        default="all",
        help="all three services in one process (default), or one of them",
    )
    serve.add_argument(
        "--workers",
        type=_positive,
        default=int(os.environ.get("STRONGROOM_WORKERS") or 1),
        help="processes that share the ports (default: STRONGROOM_WORKERS, or 1)",
    )
    serve.add_argument(WORKER, type=_positive, default=0, help=argparse.SUPPRESS)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main(arguments: Sequence[str]) -> int:
    """Serve. Returns the exit code: 1, an address is taken or no database is ready; 2, a setting is wrong."""
    if not (os.environ.get("STRONGROOM_WORKERS") or "1").isdecimal():
        stop(SettingError("STRONGROOM_WORKERS", "is not a number of processes"))
    chosen = _parser().parse_args(arguments)
    targets = TARGETS if chosen.target == "all" else (chosen.target,)
    if not chosen.worker:
        variables.report(os.environ)
    if len(targets) == 1 and chosen.workers == 1:  # the service's own program, which does not load the others
        module = MODULES[targets[0]]
        os.execv(sys.executable, [sys.executable, "-m", module, "serve"])
    if chosen.workers > 1 and not chosen.worker:
        again = [sys.executable, "-m", "strongroom_server", "serve", "--target", chosen.target]
        return workers.supervise(targets, chosen.workers, [*again, "--workers", str(chosen.workers), WORKER])
    return _serve(targets, Share(chosen.workers, chosen.worker))


def _serve(targets: Sequence[str], share: Share) -> int:
    # The supervisor of several processes needs none of the services.
    from gateway.server.serve import PortTaken as HttpPortTaken  # noqa: PLC0415
    from metadata_service.startup import NotReady  # noqa: PLC0415
    from servicekit.serving.memory import tune_malloc  # noqa: PLC0415
    from servicekit.serving.server import PortTaken, run  # noqa: PLC0415
    from strongroom.errors import StrongroomError  # noqa: PLC0415
    from strongroom_server.process import serve  # noqa: PLC0415

    tune_malloc()
    return run(lambda: serve(targets, share), PortTaken, HttpPortTaken, NotReady, StrongroomError)
