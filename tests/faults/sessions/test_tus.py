"""tus on real processes: each killed in the middle of a PATCH, broken connections, newer requests."""

from __future__ import annotations

import time
from typing import Final

import httpx
import pytest

from tests.faults.cell import Cell, Service
from tests.faults.sessions.client import MIB, PART, body_of, same
from tests.faults.sessions.tus_client import TusClient
from tests.stack import until

BODY: Final = body_of(2 * PART + 3 * MIB + 7, seed=9)
ACKNOWLEDGED: Final = MIB + 11
SOON: Final = 25.0  # a silent body is given up after 30
"""Seconds. A lock's time-out, which pre-emption must not wait for, would be longer than that."""


def _begun(client: TusClient) -> str:
    """An upload with its first bytes acknowledged."""
    path = client.create(len(BODY))
    assert client.patch(path, 0, BODY[:ACKNOWLEDGED]).headers["upload-offset"] == str(ACKNOWLEDGED)
    return path


def _finish(client: TusClient, path: str) -> None:
    """HEAD and PATCH as often as necessary; the offset may never go back."""
    seen = 0
    while seen < len(BODY):
        found = client.offset(path)
        assert found >= seen, "the offset went back"
        seen = found
        if seen < len(BODY):
            try:
                client.patch(path, seen, BODY[seen : seen + 4 * MIB])
            except httpx.HTTPError:
                time.sleep(0.1)
    assert same(client.stored(path), BODY)


def _received(client: TusClient, path: str) -> int:
    """The offset, asked without ending the writer."""
    return int(client.request("GET", "/api/v1/uploads/" + path.rpartition("/")[2], {}).json()["received"])


@pytest.mark.parametrize("service", ["gateway", "storage", "metadata"])
def test_a_kill_in_the_middle_of_a_patch(cell: Cell, service: Service) -> None:
    cell.run()
    client = TusClient(cell)
    path = _begun(client)
    with client.broken(path, ACKNOWLEDGED, len(BODY) - ACKNOWLEDGED) as patch:
        patch.send(BODY[ACKNOWLEDGED : PART + 3 * MIB])
        until("a part is persisted", lambda: _received(client, path) >= PART)
        cell.kill(service)
        cell.run()
        assert client.offset(path) >= PART
    _finish(client, path)


@pytest.mark.parametrize("sent", [1, 70_001, PART])
def test_a_line_that_breaks_costs_no_byte(cell: Cell, sent: int) -> None:
    cell.run()
    client = TusClient(cell)
    path = _begun(client)
    with client.broken(path, ACKNOWLEDGED, len(BODY) - ACKNOWLEDGED) as patch:
        patch.send(BODY[ACKNOWLEDGED : ACKNOWLEDGED + sent])
    # HEAD would end the writer that is still reading
    until("every byte is there", lambda: _received(client, path) == ACKNOWLEDGED + sent)
    assert client.offset(path) == ACKNOWLEDGED + sent
    _finish(client, path)


def test_a_reset_line_is_gone_on_from(cell: Cell) -> None:
    cell.run()
    client = TusClient(cell)
    path = _begun(client)
    patch = client.broken(path, ACKNOWLEDGED, len(BODY) - ACKNOWLEDGED)
    patch.send(BODY[ACKNOWLEDGED : PART + 2 * MIB])
    until("a part is persisted", lambda: _received(client, path) >= PART)
    patch.reset()
    assert PART <= client.offset(path) <= PART + 2 * MIB
    _finish(client, path)


@pytest.mark.parametrize("newer", ["HEAD", "PATCH"])
def test_a_newer_request_ends_a_half_dead_one(cell: Cell, newer: str) -> None:
    """The older connection stays open and silent, like one of a client that has lost its network."""
    cell.run()
    client = TusClient(cell)
    path = _begun(client)
    arrived = ACKNOWLEDGED + 2 * MIB
    with client.broken(path, ACKNOWLEDGED, len(BODY) - ACKNOWLEDGED) as dead:
        dead.send(BODY[ACKNOWLEDGED:arrived])
        time.sleep(1.0)  # everything reaches storage_service
        began = time.monotonic()
        if newer == "HEAD":
            assert int(client.head(path).headers["upload-offset"]) == arrived
        else:
            reply = client.patch(path, arrived, BODY[arrived : arrived + MIB])
            assert (reply.status_code, reply.headers["upload-offset"]) == (204, str(arrived + MIB))
        assert time.monotonic() - began < SOON
        assert dead.status() == 409
    _finish(client, path)


def test_many_newer_requests_each_end_the_one_before(cell: Cell) -> None:
    cell.run()
    client = TusClient(cell)
    path = _begun(client)
    dead = []
    for number in range(4):
        offset = ACKNOWLEDGED + number * 1000
        assert client.offset(path) == offset
        dead.append(client.broken(path, offset, len(BODY) - offset))
        dead[-1].send(BODY[offset : offset + 1000])
        time.sleep(1.0)
    assert client.offset(path) == ACKNOWLEDGED + 4000
    assert [patch.status() for patch in dead] == [409] * 4
    _finish(client, path)
    for patch in dead:
        patch.reset()


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    cell.checker.wait_no_open_uploads()
    assert cell.checker.problems() == []
