"""SIGKILL of each process at each step of an upload (points U and P of the crash point table).

First every point is reached, one after the other, each by a new client; leftovers of the dead are cleaned up
by the next processes, during further kills. After everything has drained, each client's promise is checked.
Then each repeats its request with the same idempotency key, and after the drain each file is checked again:
one drain for all, the checker looks at one owner at a time.
"""

from __future__ import annotations

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, new_upload, put, repeat_until_stored
from tests.faults.points import KILLS, Kill
from tests.stack import until

_log: dict[Kill, Upload] = {}


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_process_dies_at_the_point(cell: Cell, kill: Kill) -> None:
    _finish_completions(cell)
    upload = new_upload(f"user-{KILLS.index(kill)}", LARGE if kill.large else SMALL)
    cell.run(**{kill.service: f"{kill.failpoint}=kill"})
    put(cell, upload)
    cell.wait_killed(kill.service)
    _log[kill] = upload


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_promise_holds_after_the_drain(cell: Cell, kill: Kill) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(_log[kill], kill.holds) == []


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_repetition_is_answered(cell: Cell, kill: Kill) -> None:
    upload = _log[kill]
    cell.run()
    before = [file.key for file in cell.checker.files(upload.owner, upload.request_id)]
    key = repeat_until_stored(cell, upload)
    assert before in ([], [key])
    assert put(cell, upload).key == key


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_it_is_stored_once_after_the_drain(cell: Cell, kill: Kill) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(_log[kill], "visible") == []


def _finish_completions(cell: Cell) -> None:
    """Otherwise the next process's cleaner would roll forward an interrupted completion, and die at a point
    that belongs to an upload.
    """

    def completing() -> bool:
        return any(row.state == 2 for row in cell.checker.unsettled())

    if completing():
        cell.run()
        until("interrupted completions are rolled forward", lambda: not completing())


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.problems(*_log.values()) == []
