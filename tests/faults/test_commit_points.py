"""A Postgres that stops at COMMIT (point U27), or refuses. ``matrices`` has all faults of each
transaction.
"""

from __future__ import annotations

import pytest

from tests.faults.cell import Cell
from tests.faults.client import LARGE, new_upload, put, read, repeat_until_stored
from tests.stack import until

OWN_POSTGRES = True


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
    assert cell.checker.problems() == []
