"""A storage_service that is frozen for longer than its lease, and wakes up as a zombie (points Z)."""

from __future__ import annotations

import signal

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import GONE, Expected
from tests.faults.client import LARGE, SMALL, new_upload, put, putting, repeat_until_stored
from tests.faults.points import FREEZES, Freeze
from tests.stack import until

CELL_ENV = {
    "STRONGROOM_UPLOAD_LEASE_SECONDS": "1",
    # as deployed: `end_tombstones` ends that time, however busy the machine is
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600",
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "0.2",
}


@pytest.mark.parametrize("case", FREEZES, ids=str)
def test_a_zombie_changes_nothing(cell: Cell, case: Freeze) -> None:
    upload = new_upload(str(case), LARGE if case.large else SMALL)
    cell.run(storage=f"{case.failpoint}=stop@1")
    with cell.second_storage(), putting(cell, upload):
        cell.wait_stopped("storage")
        if case.until == "purged":
            cell.checker.end_tombstones()
        else:
            until("the attempt is a tombstone", lambda: _is_tombstone(cell, upload.owner))
        before = cell.checker.files(upload.owner, upload.request_id)
        cell.send("storage", signal.SIGCONT)
    cell.end("storage")  # one stopped right before it creates a multipart upload creates it now
    cell.run()
    cell.end_tombstones()
    expected: Expected = "visible" if before else "hidden"
    assert cell.checker.must_hold(upload, expected) == []
    assert cell.checker.files(upload.owner, upload.request_id) == before

    key = repeat_until_stored(cell, upload)
    assert [file.key for file in before] in ([], [key])
    assert put(cell, upload).key == key
    cell.end_tombstones()
    assert cell.checker.must_hold(upload, "visible") == []


def _is_tombstone(cell: Cell, owner: str) -> bool:
    return [row.state for row in cell.checker.unsettled(owner)] == [GONE]
