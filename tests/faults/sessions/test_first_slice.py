"""Create, write in pieces, kill, resume, finish."""

from __future__ import annotations

import pytest

from strongroom.errors import StrongroomError
from tests.faults.cell import Cell
from tests.faults.sessions.client import MIB, SessionClient, body_of, same


def test_pieces_a_kill_and_the_rest(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(17 * MIB + 3)
    upload = client.create(len(body)).upload_id
    assert client.write(upload, 0, body[: 7 * MIB]).persisted_size == 7 * MIB
    cell.run(storage="storage.session.part_applied=kill")
    with pytest.raises(StrongroomError):
        client.write(upload, 7 * MIB, body[7 * MIB : 12 * MIB])
    cell.wait_killed("storage")
    cell.run()
    found = client.get(upload)
    assert found.persisted_size == 7 * MIB
    finished = client.finish_somehow(upload, body)
    assert finished.file.size_bytes == len(body)
    assert same(client.stored(finished), body)
    cell.checker.wait_drained()
    assert cell.checker.problems() == []
