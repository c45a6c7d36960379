"""Processes with a spool that die at any moment: acknowledged entries stay, and are sent once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strongroom.client import Client
from strongroom.client.spooling.disk import SpoolDisk
from tests.integration.sdk.fakes.server import running
from tests.integration.sdk.fakes.state import State, token
from tests.stack import until

#: Stores numbered files as long as it lives, and prints each acknowledged one.
WRITER = """
import sys
from strongroom.client import AtPath, Client
storage, metadata, token, spool, name = sys.argv[1:]
with Client(storage, metadata, token=token, spool=spool) as client:
    number = 0
    while True:
        body = f"{name} {number}".encode() * 1000
        client.upload(body, AtPath(f"{name}/{number:06d}"), request_id=f"{name}-{number}")
        print(number, flush=True)
        number += 1
"""
#: Sends spooled entries repeatedly.
FLUSHER = """
import sys
from strongroom.client import Client
storage, metadata, token, spool = sys.argv[1:]
with Client(storage, metadata, token=token, spool=spool) as client:
    while client.spool.flush().waiting:
        pass
"""


def start(program: str, *arguments: object, prints: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", program, *map(str, arguments)]
    with prints.open("wb") as output:
        return subprocess.Popen(words, stdout=output, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def promised(prints: Path) -> int:
    """The number of acknowledged files: only whole lines count."""
    return prints.read_text().count("\n")


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_while_writing_and_while_sending(tmp_path: Path, seed: int) -> None:
    """Two writers share a spool and are killed; then senders are killed until one finishes."""
    chance, nowhere, spool = random.Random(seed), "127.0.0.1:1", tmp_path / "spool"
    prints = {name: tmp_path / f"{name}.txt" for name in ("a", "b")}
    writers = [start(WRITER, nowhere, nowhere, token(), spool, name, prints=prints[name]) for name in prints]
    # Each has acknowledged some, whichever started first.
    until("promises of both", lambda: all(promised(each) >= 3 for each in prints.values()), pause=0.01)
    time.sleep(chance.uniform(0, 0.05))
    for writer in writers:
        kill(writer)
    told = {name: promised(each) for name, each in prints.items()}
    state = State()
    with running(state) as fakes:
        addresses = (fakes.storage_address, fakes.metadata_address)
        for _ in range(4):
            sender = start(FLUSHER, *addresses, token(), spool, prints=tmp_path / "sender.txt")
            time.sleep(chance.uniform(0.2, 1.0))
            kill(sender)
        with Client(*addresses, token=token(), spool=spool) as client:
            assert client.spool is not None
            done = client.spool.flush()
            assert (done.waiting, done.refused, client.spool.operations()) == (0, (), [])
    found = sorted(stored.file.key.removeprefix("paths/alice/") for stored in state.stored.values())
    assert all(stored.file.generation == 1 for stored in state.stored.values())  # each was stored once
    for name, count in told.items():
        mine = [key for key in found if key.startswith(f"{name}/")]
        assert len(mine) in (count, count + 1)  # the last one may be stored without being acknowledged
        assert mine == [f"{name}/{number:06d}" for number in range(len(mine))]
    bodies = {stored.file.key: stored.data for stored in state.stored.values()}
    assert bodies["paths/alice/a/000000"] == b"a 0" * 1000
    assert list((spool / "alice" / "making").iterdir()) == []


@pytest.mark.parametrize("left", ["no operation", "half of one", "a body alone", "what was being removed"])
def test_what_a_dead_writer_leaves_is_swept(tmp_path: Path, left: str) -> None:
    disk = SpoolDisk(tmp_path, "alice", 1 << 20)
    folder = tmp_path / "alice" / "making" / ("gone-000000000001-x" if left.startswith("what") else "x")
    folder.mkdir()
    (folder / "lock").touch()
    if left != "no operation":
        (folder / ("operation.json" if left == "half of one" else "body")).write_bytes(b'{"kind": ')
    assert disk.entries() == []
    again = SpoolDisk(tmp_path, "alice", 1 << 20)
    assert (again.entries(), folder.exists()) == ([], False)


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path, "alice", 1 << 20)
    with disk.making("x") as draft:
        file = draft.create("body")
        draft.write(file, b"half")
        SpoolDisk(tmp_path, "alice", 1 << 20)
        draft.write(file, b" and half")
        draft.finish(file)
        entry = draft.commit({"kind": "upload"})
    assert (entry.folder / "body").read_bytes() == b"half and half"
    assert [one.id for one in SpoolDisk(tmp_path, "alice", 1 << 20).entries()] == ["x"]


def test_killed_between_the_answer_and_the_removal(tmp_path: Path) -> None:
    """Its outcome is on the disk and its folder still exists: only the removal is left to do."""
    state = State()
    with running(state) as fakes:
        addresses = (fakes.storage_address, fakes.metadata_address)
        with Client("127.0.0.1:1", "127.0.0.1:1", token=token(), spool=tmp_path) as client:
            file = client.upload(b"x")
        [entry] = SpoolDisk(tmp_path, "alice", 1 << 20).entries()
        outcome = {"message": "File", "response": ""}
        (tmp_path / "alice" / "sent" / f"{entry.id}.json").write_text(json.dumps(outcome))
        with Client(*addresses, token=token(), spool=tmp_path) as client:
            assert client.spool is not None
            assert client.spool.flush().waiting == 0
    assert (file.spooled, state.stored, entry.folder.exists()) == (True, {}, False)


def test_only_one_process_sends(tmp_path: Path) -> None:
    one, other = (SpoolDisk(tmp_path, "alice", 1 << 20) for _ in range(2))
    with one.sending() as first, other.sending() as second:
        assert (first, second) == (True, False)
    with other.sending() as later:
        assert later
