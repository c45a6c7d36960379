"""The tables of crash points against the code: every point has its case, every failpoint its point."""

from __future__ import annotations

import importlib
import subprocess
import sys

from tests.faults.points import BREAKS, CLEANS, FREEZES, KILLS, LATE, POINTS, TESTS
from tests.stack import CHECKOUT

_LIST = "import {module}.bootstrap; from servicekit import failpoints; print(*failpoints.registered())"
_MODULES = ("metadata_service", "storage_service", "gateway")


def _registered() -> set[str]:
    """The failpoints that the three processes declare, each asked in a process of its own."""
    names: set[str] = set()
    for module in _MODULES:
        argv = [sys.executable, "-c", _LIST.format(module=module)]
        names |= set(
            subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout.split()
        )
    return names


def test_every_point_has_a_case() -> None:
    tables = (KILLS, BREAKS, CLEANS, LATE, FREEZES)
    covered = {case.point for table in tables for case in table}  # type: ignore[attr-defined]
    assert POINTS - covered - TESTS.keys() == set()


def test_every_test_of_its_own_exists() -> None:
    for path in TESTS.values():
        module, _, name = path.partition(".")
        assert hasattr(importlib.import_module(f"tests.faults.{module}"), name), path


def test_every_failpoint_is_used_and_exists() -> None:
    used = {case.failpoint for case in (*KILLS, *CLEANS, *FREEZES)}
    used |= {"metadata.d1.before_commit", "metadata.d1.after_commit", "gateway.delete.before_reply"}
    assert _registered() == used
