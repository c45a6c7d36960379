"""Choosing, keeping and refusing ports."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import ports
from devstack.errors import PortTakenError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_explained(taken: int) -> None:
    with pytest.raises(PortTakenError) as raised:
        ports.require_free(taken, "the gateway", "STRONGROOM_HTTP_PORT")
    text = str(raised.value)
    assert f"port {taken}, wanted for the gateway, is taken by " in text
    assert f"(pid {os.getpid()})" in text
    assert "set STRONGROOM_HTTP_PORT" in text


def test_a_listener_that_shares_its_port_counts_as_taken() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not ports.is_free(listener.getsockname()[1])


def test_a_port_in_time_wait_is_free() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server of the stack does
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            served, _ = listener.accept()
            served.close()  # the side that closes first waits
    assert ports.is_free(port)


def test_a_port_is_kept_and_replaced_only_when_taken(tmp_path: Path) -> None:
    first = ports.KeptPorts(tmp_path / "ports.json").get("postgres")
    assert ports.KeptPorts(tmp_path / "ports.json").get("postgres") == first
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first))
        listener.listen()
        second = ports.KeptPorts(tmp_path / "ports.json").get("postgres")
    assert second != first
    assert ports.KeptPorts(tmp_path / "ports.json").get("postgres") == second


def test_names_get_different_ports(tmp_path: Path) -> None:
    kept = ports.KeptPorts(tmp_path / "ports.json")
    assert len({kept.get(str(number)) for number in range(20)}) == 20
