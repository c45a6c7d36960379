"""Compares the tables of crash points with the code: every point has its case, every failpoint its point."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Collection, Iterable

import pytest

from tests.faults.matrices import test_database_cells, test_store_cells
from tests.faults.matrices.catalogue import CRASH_POINTS, DATABASE_CELLS, STORE_CELLS, StoreCell
from tests.faults.points import BREAKS, CLEANS, FREEZES, GROUP_KILLS, KILLS, LATE, PLANTED, TESTS
from tests.faults.verifying import planting, test_reconciler_points
from tests.faults.verifying import points as repairs
from tests.forks.server import SERVICES
from tests.stack import CHECKOUT

#: Their failpoints have tables of their own, in the folders beside this module.
ELSEWHERE = ("project", "session", "erase", "webhook", "restore")
_LIST = (
    "from tests.forks.server import import_all; from servicekit import failpoints;"
    f"[import_all(service) for service in {SERVICES}]; print(*failpoints.registered())"
)


@functools.cache
def registered() -> set[str]:
    """The failpoints registered by the services, in a process without tests."""
    argv = [sys.executable, "-c", _LIST]
    return set(subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout.split())


def covered(what: str, wanted: Collection[object], cases: Iterable[object]) -> str:
    """The number of points with a case. Fails with those that have none."""
    missing = [str(one) for one in wanted if one not in set(cases)]
    assert missing == [], f"{what} without a case"
    return f"{what} {len(wanted) - len(missing)}/{len(wanted)}"


def test_every_point_and_cell_has_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    """For the lists in ``matrices``, whose sizes are those in docs/consistency.md."""
    points = {case.point for case in KILLS} | {case.point for case in BREAKS} | {case.point for case in LATE}
    points |= {case.point for case in CLEANS} | {case.point for case in FREEZES}
    points |= TESTS.keys() | PLANTED.keys()
    of_pages = {StoreCell("ListObjectsV2", fault) for fault in test_reconciler_points.PAGES}
    lines = (
        covered("crash points", CRASH_POINTS, points),
        covered("S3 cells", STORE_CELLS, {*test_store_cells.CASES, *of_pages}),
        covered("Postgres cells", DATABASE_CELLS, test_database_cells.CASES),
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{', '.join(lines)}\n")
    assert lines == ("crash points 96/96", "S3 cells 134/134", "Postgres cells 84/84")


def test_every_test_of_its_own_exists() -> None:
    for path in TESTS.values():
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(f"tests.faults.{module}"), name), path
    planted = {plant.__name__ for plant, _ in planting.FAULTS}
    assert set(PLANTED.values()) <= planted


def test_every_failpoint_is_used_and_exists() -> None:
    used = {case.failpoint for case in KILLS} | {case.failpoint for case in CLEANS}
    used |= {case.failpoint for case in (*FREEZES, *GROUP_KILLS)}
    used |= {*repairs.REPAIR, repairs.RETURN, repairs.PURGE}
    used |= {"metadata.d1.before_commit", "metadata.d1.after_commit", "gateway.delete.before_reply"}
    assert {name for name in registered() if name.split(".")[1] not in ELSEWHERE} == used
