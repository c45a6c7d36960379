"""`make faults SEEDS=20`: every crash point and cell under that many seeds, one line a point at the end.

Seeds change what is sent, in which order the cases come, how long a fault stays, and where a fault can happen
in more than one way, in which. A seed of which something failed leaves what pytest printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.faults.matrices.catalogue import CRASH_POINTS, DATABASE_CELLS, STORE_CELLS
from tests.faults.points import PLANTED, TESTS
from tests.faults.verifying.test_reconciler_points import PAGES
from tests.stack import CHECKOUT

_HERE: Final = "tests.faults."
_WANTED: Final = (*CRASH_POINTS, *map(str, STORE_CELLS), *map(str, DATABASE_CELLS))
_TABLES: Final = ("test_kill_points", "test_store_points", "test_cleaner_points", "test_frozen_points")
_MATRICES: Final = ("matrices.test_store_cells", "matrices.test_database_cells")
_PLANTED: Final = "verifying.test_planted.test_each_planted_fault_is_found_and_nothing_else"


#: The cells of a matrix are all played before the first is judged, which takes long on a busy machine: they
#: wait for states, and nothing here is about speed.
_PATIENCE_SECONDS: Final = 3600


def paths() -> list[str]:
    """The modules with points, without their other tests."""
    modules = {path.rpartition(".")[0] for path in (*TESTS.values(), _PLANTED)} | {*_TABLES, *_MATRICES}
    return sorted(f"tests/faults/{module.replace('.', '/')}.py" for module in modules)


def points_of(module: str, test: str) -> Iterator[str]:
    """The points of a test: ``module`` below tests.faults, ``test`` with its parameters."""
    name, _, parameters = test.rstrip("]").partition("[")
    if module in _TABLES and parameters[:3] in CRASH_POINTS:
        yield parameters[:3]
    if module in _MATRICES:
        yield parameters
    if parameters in PAGES:
        yield f"ListObjectsV2-{parameters}"
    yield from (point for point, path in TESTS.items() if path == f"{module}.{name}")
    if f"{module}.{name}" == _PLANTED:
        yield from PLANTED


def run(seed: int, more: list[str], printed: Path) -> dict[str, list[str]]:
    """Run all tests with one seed. Returns the failed ones by point; a point without failures has none.

    ``printed``: the file for pytest's output. If it died without a report, no point counts as tested.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environ = os.environ | {"STRONGROOM_FAULTS_SEED": str(seed)}
        limits = [f"--junitxml={report}", f"--timeout={_PATIENCE_SECONDS}"]
        command = [sys.executable, "-m", "pytest", "-q", *limits, *paths(), *more]
        with printed.open("wb") as output:
            subprocess.run(command, cwd=CHECKOUT, env=environ, stdout=output, stderr=output, check=False)
        return by_point(ET.parse(report).getroot().iter("testcase")) if report.exists() else {}


def by_point(cases: Iterable[ET.Element]) -> dict[str, list[str]]:
    """From pytest's report."""
    failed: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        module, test = case.get("classname", "").removeprefix(_HERE), case.get("name", "")
        for point in points_of(module, test):
            failed[point] += [f"{module}::{test}"] if case.findall("failure") + case.findall("error") else []
    return dict(failed)


def main() -> int:
    """Exit status 1 if a point has failed or had no test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    chosen, more = parser.parse_known_args()
    held, broken = Counter[str](), []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        began = time.monotonic()
        printed = Path(tempfile.gettempdir()) / f"strongroom-faults-seed-{seed}.log"
        failed = run(seed, more, printed)
        good = [point for point in _WANTED if failed.get(point) == []]
        held.update(good)
        broken += [f"seed {seed}: {test}" for tests in failed.values() for test in tests]
        took = f"{time.monotonic() - began:.0f} s"
        if len(good) == len(_WANTED):
            printed.unlink()
        else:
            took += f", see {printed}"
        sys.stdout.write(f"seed {seed}: {len(good)} of {len(_WANTED)} held, {took}\n")
        sys.stdout.flush()
    lines = [f"{point} {held[point]}/{chosen.seeds}" for point in _WANTED]
    sys.stdout.write("\n".join([*lines, *dict.fromkeys(broken), ""]))
    return int(any(held[point] < chosen.seeds for point in _WANTED))


if __name__ == "__main__":
    sys.exit(main())
