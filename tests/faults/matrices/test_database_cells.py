"""Each transaction meets each fault of Postgres (pg_matrix.json): all cells in parallel, each with its own
owner, and one drain for all.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pytest

from tests.faults.cell import Cell
from tests.faults.matrices.catalogue import DATABASE_CELLS, DatabaseCell
from tests.faults.matrices.database_errors import DatabaseErrors
from tests.faults.matrices.database_scenes import TOGETHER, Scene
from tests.faults.matrices.database_together import POOL, restarted, without_connections
from tests.faults.matrices.waves import chosen_of, outcomes_of

OWN_POSTGRES = True
CASES: Final = DATABASE_CELLS
CELL_ENV: Final = {
    "STRONGROOM_DATABASE_POOL_MIN": str(POOL),
    "STRONGROOM_DATABASE_POOL_MAX": str(POOL),
    "STRONGROOM_DATABASE_POOL_WAIT_SECONDS": "1.5",
}


@pytest.fixture(scope="module")
def outcomes(cell: Cell, request: pytest.FixtureRequest) -> Mapping[DatabaseCell, list[str]]:
    """The problems of each case."""
    cell.run()
    errors = DatabaseErrors(cell.checker)
    scenes = {
        case: Scene(cell, errors, case, f"database-{CASES.index(case):02}")
        for case in chosen_of(request, DatabaseCell)
    }
    of_fault = {
        fault: [scene for scene in scenes.values() if scene.case.fault == fault] for fault in TOGETHER
    }
    play_together(of_fault["pool-exhausted"], lambda chosen: without_connections(cell, errors, chosen))
    for fault in ("restart-fast", "restart-immediate"):
        play_together(of_fault[fault], lambda chosen: restarted(cell, chosen))
    return outcomes_of(cell, scenes)


def play_together(scenes: Sequence[Scene], act: Callable[[Sequence[Scene]], None]) -> None:
    """A failure is attributed to these scenes only."""
    if not scenes:
        return
    try:
        act(scenes)
    except Exception:  # noqa: BLE001 - raised again by each of them
        for scene in scenes:
            scene.broken = traceback.format_exc()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_promise_holds(outcomes: Mapping[DatabaseCell, list[str]], case: DatabaseCell) -> None:
    assert not outcomes[case], "\n".join(outcomes[case])
