"""The tables of crash points against the code: every point has its case, every failpoint its point."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys

from tests.faults.forkserver import SERVICES
from tests.faults.points import BREAKS, CLEANS, FREEZES, GROUP_KILLS, KILLS, LATE, POINTS, TESTS
from tests.faults.verifying import points as repairs
from tests.stack import CHECKOUT

#: Their failpoints have tables of their own, in the folders beside this module.
ELSEWHERE = ("project", "session", "erase", "webhook")
_LIST = (
    "from tests.faults.forkserver import import_all; from servicekit import failpoints;"
    f"[import_all(service) for service in {SERVICES}]; print(*failpoints.registered())"
)


@functools.cache
def registered() -> set[str]:
    """The failpoints that the services declare, as a process says that knows no test."""
    argv = [sys.executable, "-c", _LIST]
    return set(subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout.split())


def test_every_point_has_a_case() -> None:
    covered = {case.point for case in KILLS} | {case.point for case in BREAKS} | {case.point for case in LATE}
    covered |= {case.point for case in CLEANS} | {case.point for case in FREEZES}
    assert POINTS - covered - TESTS.keys() == set()


def test_every_test_of_its_own_exists() -> None:
    for path in TESTS.values():
        module, _, name = path.partition(".")
        assert hasattr(importlib.import_module(f"tests.faults.{module}"), name), path


def test_every_failpoint_is_used_and_exists() -> None:
    used = {case.failpoint for case in KILLS} | {case.failpoint for case in CLEANS}
    used |= {case.failpoint for case in (*FREEZES, *GROUP_KILLS)}
    used |= {*repairs.REPAIR, repairs.RETURN, repairs.PURGE}
    used |= {"metadata.d1.before_commit", "metadata.d1.after_commit", "gateway.delete.before_reply"}
    assert {name for name in registered() if name.split(".")[1] not in ELSEWHERE} == used
