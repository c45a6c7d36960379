"""The cleaner is killed at each of its steps, or S3 answers it late or never (points A, D03 to D06).

Each case that kills drains before the next one, or the next process to die would clean the leftovers. The
rest is done for all together: late requests, repeats, the last check.
"""

from __future__ import annotations

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import GONE, Upload
from tests.faults.client import LARGE, SMALL, delete, new_upload
from tests.faults.points import CLEANS, LATE, Clean, Late
from tests.faults.rpc import file_spec, send, send_and_cancel, send_until_stored
from tests.faults.s3_faults import delay, hold
from tests.stack import until

LEASE_SECONDS = 1.0
CELL_ENV = {
    "STRONGROOM_UPLOAD_LEASE_SECONDS": str(LEASE_SECONDS),
    "STRONGROOM_READ_GRACE_SECONDS": "0.5",
    # as deployed: `end_tombstones` ends that time, however busy the machine is
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600",
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "0.2",
}


_log: dict[Clean | Late, Upload] = {}
NOT_DELETED = [case for case in (*CLEANS, *LATE) if case.left != "deleted"]


@pytest.mark.parametrize("case", CLEANS, ids=str)
def test_the_cleaner_is_killed(cell: Cell, case: Clean) -> None:
    armed = {case.service: f"{case.failpoint}=kill"}
    upload = new_upload(str(case), LARGE)
    if case.left == "given up":
        cell.run(**armed)
        _give_up(cell, upload)
    else:
        cell.run()
        _leave(cell, case.left, upload)
        cell.start(**armed)
    if case.failpoint == "storage.cleaner.before_purge":
        cell.checker.expire_tombstones()
    cell.wait_killed(case.service)
    cell.run()
    _log[case] = upload
    _ends_as_it_must(cell, upload, visible=case.left == "completing")


@pytest.mark.parametrize("case", LATE, ids=str)
def test_a_request_is_late_or_lost(cell: Cell, case: Late) -> None:
    cell.run()
    upload = new_upload(str(case), SMALL if case.operation == "PutObject" else LARGE)
    spec = file_spec(upload.request_id)
    if case.left == "deleted":
        send(cell, upload, spec)
    rule = cell.s3.arm(case.operation, case.fault, key=f"/{upload.owner}/")
    if case.left == "deleted":
        _delete(cell, upload)
    elif case.fault is hold:
        send_and_cancel(cell, upload, spec, rule.wait_reached)
        until(
            "the attempt is a tombstone",
            lambda: [row.state for row in cell.checker.unsettled(upload.owner)] == [GONE],
        )
        rule.release()
        rule.wait_applied()
    else:
        _give_up(cell, upload)
    rule.wait_reached()
    _log[case] = upload


@pytest.mark.parametrize("case", LATE, ids=str)
def test_nothing_is_left_of_what_was_late_or_lost(cell: Cell, case: Late) -> None:
    cell.run()
    _ends_as_it_must(cell, _log[case], visible=False)


@pytest.mark.parametrize("case", NOT_DELETED, ids=str)
def test_the_repetition_is_answered(cell: Cell, case: Clean | Late) -> None:
    cell.run()
    _repeat(cell, _log[case])


@pytest.mark.parametrize("case", NOT_DELETED, ids=str)
def test_it_is_stored_once_after_the_drain(cell: Cell, case: Clean | Late) -> None:
    cell.run()
    cell.end_tombstones()
    assert cell.checker.must_hold(_log[case], "visible") == []


def test_two_cleaners_on_one_row(cell: Cell) -> None:
    """The first one's Complete takes longer than its claim: the second one finishes the row meanwhile."""
    upload = new_upload("two-cleaners", LARGE)
    cell.run()
    _leave(cell, "completing", upload, at="storage.s3.before_complete")
    rule = cell.s3.arm("CompleteMultipartUpload", delay(3 * LEASE_SECONDS), key=f"/{upload.owner}/")
    cell.run()
    with cell.second_storage():
        rule.wait_reached()
        _ends_as_it_must(cell, upload, visible=True)
        _repeat(cell, upload)
        cell.end_tombstones()
        assert cell.checker.must_hold(upload, "visible") == []


def _ends_as_it_must(cell: Cell, upload: Upload, *, visible: bool) -> None:
    """Drained, visible or without a trace; if deleted, deleted again."""
    cell.end_tombstones()
    assert cell.checker.must_hold(upload, "visible" if visible else "hidden") == []
    if upload.deleted:
        assert delete(cell, upload.owner, upload.acked) == 404


def _repeat(cell: Cell, upload: Upload) -> None:
    """A repeat stores the file, and gets the same answer once it is stored."""
    spec = file_spec(upload.request_id)
    assert send_until_stored(cell, upload, spec) == send(cell, upload, spec)


def _give_up(cell: Cell, upload: Upload) -> None:
    """A client cancels after its first part."""
    rule = cell.s3.arm("UploadPart", hold, key=f"/{upload.owner}/", nth=2)
    send_and_cancel(cell, upload, file_spec(upload.request_id), rule.wait_reached)
    rule.release()


def _leave(cell: Cell, what: str, upload: Upload, at: str = "storage.t4.before") -> None:
    """Create the leftovers that the cleaner should find."""
    if what == "deleted":
        send(cell, upload, file_spec(upload.request_id))
        _delete(cell, upload)
        return
    cell.run(storage=f"{'storage.s2.part_applied' if what == 'expired' else at}=kill")
    send(cell, upload, file_spec(upload.request_id))
    cell.wait_killed("storage")


def _delete(cell: Cell, upload: Upload) -> None:
    assert delete(cell, upload.owner, upload.acked) in (200, 204)
    upload.deleted = True
