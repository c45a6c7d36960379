"""Postgres at COMMIT: connections that break before, within and after it, and a server that stops (point
U27).
"""

from __future__ import annotations

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, delete, new_upload, put, read, repeat_until_stored
from tests.faults.points import COMMITS, Commit
from tests.stack import until

OWN_POSTGRES = True
_log: dict[Commit, Upload] = {}


@pytest.mark.parametrize("case", COMMITS, ids=str)
def test_the_commit_meets_its_fault(cell: Cell, case: Commit) -> None:
    cell.run()
    upload = new_upload(f"user-{COMMITS.index(case)}", LARGE)
    if case.transaction == "D1":
        assert put(cell, upload).status == 201
    rule = cell.postgres.arm(case.statement, at=case.at)
    if case.transaction == "D1":
        upload.deleted = delete(cell, upload.owner, upload.acked) in (200, 204)
    else:
        put(cell, upload)
    rule.wait_reached()
    _log[case] = upload


@pytest.mark.parametrize("case", COMMITS, ids=str)
def test_the_promise_holds_after_the_drain(cell: Cell, case: Commit) -> None:
    upload = _log[case]
    cell.run()
    cell.checker.wait_drained()
    if case.transaction == "D1":
        _delete_is_finished(cell, upload)
        return
    assert cell.checker.must_hold(upload, "either") == []
    key = repeat_until_stored(cell, upload)
    assert put(cell, upload).key == key
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


def _delete_is_finished(cell: Cell, upload: Upload) -> None:
    """A client that did not hear of its deletion repeats it: 404 when it had happened."""
    if not upload.deleted:
        assert delete(cell, upload.owner, upload.acked) in (200, 204, 404)
        upload.deleted = True
    cell.checker.wait_drained()
    assert cell.checker.problems(upload) == []
    assert delete(cell, upload.owner, upload.acked) == 404


@pytest.mark.parametrize("at", ["mid", "race"])
def test_postgres_stops_while_t4_commits(cell: Cell, at: str) -> None:
    cell.run()
    upload = new_upload(f"crash-{at}", LARGE)
    rule = cell.postgres.arm(
        "INSERT INTO files", at="mid" if at == "mid" else "race", then=cell.kill_postgres
    )
    put(cell, upload)
    rule.wait_reached()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "either") == []
    key = repeat_until_stored(cell, upload)
    assert put(cell, upload).key == key
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


def test_without_postgres_nothing_is_promised_and_nothing_is_lost(cell: Cell) -> None:
    cell.run()
    upload = new_upload("refused")
    cell.postgres.refuse()
    assert put(cell, upload).status == 503
    cell.postgres.disarm()
    key = repeat_until_stored(cell, upload)
    assert read(cell, upload.owner, key) == (200, upload.body)
    until("everything has drained", cell.checker.is_drained)
    assert cell.checker.must_hold(upload, "visible") == []


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.problems(*_log.values()) == []
