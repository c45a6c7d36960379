"""SIGKILL of metadata_service in a transaction shared by several users' uploads: all of it or none.

The clients send no idempotency key, and all at once, so that they are grouped.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import SMALL, new_upload, put
from tests.faults.points import GROUP_KILLS, Kill

CLIENTS = 6
_log: dict[Kill, list[Upload]] = {}


def put_all(cell: Cell, uploads: list[Upload]) -> None:
    with ThreadPoolExecutor(len(uploads)) as clients:
        list(clients.map(lambda upload: put(cell, upload), uploads))


@pytest.mark.parametrize("kill", GROUP_KILLS, ids=str)
def test_the_process_dies_in_the_group(cell: Cell, kill: Kill) -> None:
    place = GROUP_KILLS.index(kill)
    uploads = [new_upload(f"grouped-{place}-{number}", SMALL) for number in range(CLIENTS)]
    for upload in uploads:
        upload.request_id = ""
    cell.run(metadata=f"{kill.failpoint}=kill")
    put_all(cell, uploads)
    cell.wait_killed("metadata")
    _log[kill] = uploads


@pytest.mark.parametrize("kill", GROUP_KILLS, ids=str)
def test_what_was_acknowledged_is_there_and_nothing_is_half_there(cell: Cell, kill: Kill) -> None:
    cell.run()
    cell.checker.wait_drained()
    uploads = _log[kill]
    assert len(uploads) == CLIENTS
    for upload in uploads:
        visible = len(cell.checker.files(upload.owner, ""))
        assert visible <= 1
        assert visible or not upload.acked
        assert cell.checker.problems(upload) == []
    told = cell.checker.query(
        "SELECT f.owner_id FROM files f LEFT JOIN events e ON e.owner_id = f.owner_id"
        " AND e.subject_id = f.id::text AND e.type = 2"
        " LEFT JOIN usage u ON u.owner_id = f.owner_id AND u.file_count = 1 AND u.used_bytes = f.size_bytes"
        " WHERE f.owner_id = ANY(%s) AND (e.id IS NULL OR u.owner_id IS NULL)",
        [upload.owner for upload in uploads],
    )
    assert told == []


def test_they_are_served_afterwards(cell: Cell) -> None:
    cell.run()
    uploads = [new_upload(f"after-{number}") for number in range(CLIENTS)]
    for upload in uploads:
        upload.request_id = ""
    put_all(cell, uploads)
    assert [upload.replies for upload in uploads] == [[201]] * CLIENTS
    cell.checker.wait_drained()
    assert cell.checker.problems(*uploads) == []
