"""Each S3 operation meets each fault (s3_matrix.json): all cells in parallel, each with its own owner, and
one drain for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from tests.faults.cell import Cell
from tests.faults.matrices.catalogue import STORE_CELLS, StoreCell
from tests.faults.matrices.store_scenes import Scene, grouped
from tests.faults.matrices.waves import chosen_of, outcomes_of

CELL_ENV: Final = {
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "0.5",
    # as deployed: a late request on a busy machine is still expected
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600",
}
#: Faults of listings with many keys; ``verifying/test_reconciler_points.py`` tests them.
OF_PAGES: Final = frozenset({"page-missing", "duplicate-page", "unordered"})
CASES: Final = tuple(case for case in STORE_CELLS if case.fault not in OF_PAGES)


@pytest.fixture(scope="module")
def outcomes(cell: Cell, request: pytest.FixtureRequest) -> Mapping[StoreCell, list[str]]:
    """The problems of each case."""
    cell.run()
    scenes = {
        cases: Scene(cell, cases, f"store-{CASES.index(cases[0]):03}")
        for cases in grouped(chosen_of(request, StoreCell))
    }
    found = outcomes_of(cell, scenes)
    return {case: found[cases] for cases in scenes for case in cases}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_promise_holds(outcomes: Mapping[StoreCell, list[str]], case: StoreCell) -> None:
    assert not outcomes[case], "\n".join(outcomes[case])
