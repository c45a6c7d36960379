"""Turns a fork into the program that it stands for."""

from __future__ import annotations

import ctypes
import importlib
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from tests.faults.wrong_clock import shift_clock

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Order:
    """``python -m ARGV``, as requested with ``tests.forks.client``."""

    argv: Sequence[str]
    env: Mapping[str, str]
    #: The file for its output, and for errors unless ``errors`` names another one.
    log: str
    errors: str = ""
    constants: Mapping[str, int] = field(default_factory=dict)
    clock: float = 0.0
    #: The signal that the kernel sends it when its parent dies.
    orphaned: int = signal.SIGKILL
    #: Whether it starts programs itself, which then are forks, too.
    supervises: bool = False


def become(order: Order, parent: int, prepare: Callable[[Order], None]) -> NoReturn:
    """Turn this process into the program; never returns to the server's code. ``prepare`` runs first."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, order.orphaned, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        _own_streams(order.log, order.errors or order.log)
        os.environ.clear()
        os.environ.update(order.env)
        for place, value in order.constants.items():
            owner, _, name = place.partition(":")
            found = importlib.import_module(owner)
            assert isinstance(getattr(found, name), int), place
            setattr(found, name, value)
        if order.clock:
            shift_clock(order.clock)
        prepare(order)
        sys.argv = list(order.argv)
        runpy.run_module(order.argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001 - it is logged, whatever it is, and the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _own_streams(log: str, errors: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    output, problems = (
        os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600) for path in (log, errors)
    )
    for source, target in ((null, 0), (output, 1), (problems, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)
