"""S3 requests of an upload that are lost, late, repeated, refused or answered wrongly.

As in ``test_kill_points``: first each fault meets a new client, then the promises are checked, then the
requests repeated, then the files checked.
"""

from __future__ import annotations

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import GONE, Upload
from tests.faults.client import LARGE, SMALL, delete, new_upload, put, putting, repeat_until_stored
from tests.faults.points import BREAKS, Break
from tests.faults.s3_proxy import Rule
from tests.stack import until

# as deployed: `end_tombstones` ends that time, however busy the machine is
CELL_ENV = {"STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600"}
_log: dict[Break, Upload] = {}


@pytest.mark.parametrize("case", BREAKS, ids=str)
def test_the_request_meets_its_fault(cell: Cell, case: Break) -> None:
    cell.run()
    upload = new_upload(f"user-{BREAKS.index(case)}", LARGE if case.large else SMALL)
    rule = cell.s3.arm(case.operation, case.fault, key=f"/{upload.owner}/", nth=case.nth)
    if case.kills:
        with putting(cell, upload):
            rule.wait_reached()
            cell.kill("storage")
        cell.run()
    else:
        put(cell, upload)
    rule.wait_reached()
    _let_go(cell, case, rule, upload.owner)
    _log[case] = upload


@pytest.mark.parametrize("case", BREAKS, ids=str)
def test_the_promise_holds_after_the_drain(cell: Cell, case: Break) -> None:
    cell.run()
    cell.end_tombstones()
    assert cell.checker.must_hold(_log[case], case.holds) == []


@pytest.mark.parametrize("case", BREAKS, ids=str)
def test_the_repetition_is_answered(cell: Cell, case: Break) -> None:
    upload = _log[case]
    cell.run()
    before = [file.key for file in cell.checker.files(upload.owner, upload.request_id)]
    key = repeat_until_stored(cell, upload)
    assert before in ([], [key])
    assert put(cell, upload).key == key


@pytest.mark.parametrize("case", BREAKS, ids=str)
def test_it_is_stored_once_after_the_drain(cell: Cell, case: Break) -> None:
    cell.run()
    cell.end_tombstones()
    assert cell.checker.must_hold(_log[case], "visible") == []


def _let_go(cell: Cell, case: Break, rule: Rule, owner: str) -> None:
    """Deliver the held requests, at the moment named by the case."""
    if case.release == "gone":
        until(
            "the attempt is a tombstone",
            lambda: [row.state for row in cell.checker.unsettled(owner)] == [GONE],
        )
    if case.release:
        rule.release()
        if case.fault.__name__ == "apply_late":
            rule.wait_applied()


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.end_tombstones()
    assert cell.checker.problems(*_log.values()) == []


def test_what_is_deleted_leaves_no_version(cell: Cell) -> None:
    """Also if a late Complete has created a second one."""
    cell.run()
    for upload in _log.values():
        assert delete(cell, upload.owner, upload.acked) == 200
    cell.end_tombstones()
    assert cell.checker.versions() == []
