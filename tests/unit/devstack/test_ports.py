"""Choosing, reserving and refusing ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devstack import ports, reservations
from devstack.errors import PortTakenError
from tests.stack import CHECKOUT


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


CHOOSER = """
import sys
from pathlib import Path
from devstack import ports
ports._CHOICE = range(20000, 20300)  # so that two would meet
kept = ports.KeptPorts(Path(sys.argv[1]))
print(kept.get("gateway"), kept.get("storage"), flush=True)
sys.stdin.read()
"""


def chooser(path: Path) -> subprocess.Popen[str]:
    """A process that chooses two ports, as a stack does, and keeps them until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-E", "-S", "-c", CHOOSER, str(path)],
        cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def chosen(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(port) for port in process.stdout.readline().split()]


def test_stacks_that_start_at_once_choose_no_port_twice(tmp_path: Path) -> None:
    with ExitStack() as ending:
        processes = [chooser(tmp_path / f"{number}.json") for number in range(25)]
        for process in processes:
            ending.enter_context(process)  # leaving closes its input
        found = [port for process in processes for port in chosen(process)]
    assert len(found) == 50
    assert len(set(found)) == len(found)


def test_a_kept_port_that_another_stack_has_chosen_is_replaced(tmp_path: Path) -> None:
    """Also before the other stack listens on it; no longer after that stack has ended."""
    path, other = tmp_path / "mine.json", tmp_path / "other.json"
    with chooser(other) as process:
        theirs = chosen(process)
        path.write_text(json.dumps({"gateway": theirs[0]}))
        assert ports.KeptPorts(path).get("gateway") not in theirs
        with pytest.raises(PortTakenError, match=f"port {theirs[1]}, .* is kept by another"):
            ports.require_free(theirs[1], "the gateway", "STRONGROOM_HTTP_PORT")
    path.write_text(json.dumps({"gateway": theirs[0]}))
    assert ports.KeptPorts(path).get("gateway") == theirs[0]


def test_two_stacks_of_one_process_keep_their_ports_apart(tmp_path: Path) -> None:
    first = ports.KeptPorts(tmp_path / "first.json").get("a")
    (tmp_path / "second.json").write_text(json.dumps({"a": first}))
    assert ports.KeptPorts(tmp_path / "second.json").get("a") != first
    assert ports.KeptPorts(tmp_path / "first.json").get("a") == first


def test_where_there_are_no_abstract_sockets_a_file_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = reservations._locked_file(20000)
    assert held is not None
    assert reservations._locked_file(20000) is None
    os.close(held)
    again = reservations._locked_file(20000)
    assert again is not None
    os.close(again)


def test_a_listener_that_a_process_has_started_is_its_own() -> None:
    """For example a worker process below its supervisor."""
    listen = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        " print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    start = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
    command = [sys.executable, "-c", start, listen]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert ports.is_held_by(port, parent.pid)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            assert not ports.is_held_by(port, other.pid)
            other.communicate(b"\n")
        parent.communicate()
