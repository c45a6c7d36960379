"""``strongroom put --resume`` against a whole stack, with client and service killed in between."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strongroom.client import Client
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.stack import CHECKOUT, PATIENCE, RunningStack, Service, clean_environ, until

MIB = 1024 * 1024
SIZE = 48 * MIB + 17
#: The client is slowed down to 1 MiB per 120 ms, so that it can be killed in between.
SLOW = """
import time
from strongroom.client.seekable import Seekable
read = Seekable.read
def braked(self, offset, length):
    time.sleep(0.12)
    return read(self, offset, length)
Seekable.read = braked
from strongroom.cli import main
main()
"""


class Put:
    """``put --resume`` of a file by one user, in separate processes."""

    def __init__(self, stack: RunningStack, user: str, folder: Path) -> None:
        self.stack = stack
        self.user = user
        self.path = folder / "film.bin"
        self.data = os.urandom(SIZE)
        self.path.write_bytes(self.data)
        self._state = folder / "state"
        self.environ = clean_environ() | {
            "STRONGROOM_STORAGE_ADDRESS": stack.state["storage"]["address"],
            "STRONGROOM_METADATA_ADDRESS": stack.state["metadata"]["address"],
            "STRONGROOM_TOKEN": stack.token(user),
            "XDG_STATE_HOME": str(self._state),
            "PYTHONPATH": str(CHECKOUT),
        }

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """The running command; killed at the end if necessary."""
        command = [sys.executable, "-c", SLOW, "put", "--resume", "--json", "--debug", str(self.path)]
        process = subprocess.Popen(
            command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)

    def entries(self) -> list[dict[str, object]]:
        """The client's stored entries."""
        book = self._state / "strongroom" / "uploads.json"
        return list(json.loads(book.read_text()).values()) if book.exists() else []

    def persisted(self) -> int:
        """The number of bytes that the service has; 0 if it can't tell now."""
        entries = self.entries()
        if not entries:
            return 0
        with self.stack.channel("storage") as channel:
            request = GetUploadRequest(upload_id=str(entries[0]["upload_id"]))
            metadata = (("authorization", f"Bearer {self.stack.token(self.user)}"),)
            return StorageServiceStub(channel).GetUpload(request, metadata=metadata).session.persisted_size

    def stored(self) -> list[tuple[int, str]]:
        """Size and SHA-256 of each of the user's files."""
        with Client(
            self.environ["STRONGROOM_STORAGE_ADDRESS"],
            self.environ["STRONGROOM_METADATA_ADDRESS"],
            token=self.stack.token(self.user),
        ) as client:
            return [(file.size, hashlib.sha256(client.read(file)).hexdigest()) for file in client.list()]

    @property
    def expected(self) -> list[tuple[int, str]]:
        """The bytes that should be stored."""
        return [(SIZE, hashlib.sha256(self.data).hexdigest())]


@pytest.fixture
def put(stack: RunningStack, user: str, tmp_path: Path) -> Put:
    """A file to store."""
    return Put(stack, user, tmp_path)


def test_goes_on_after_the_client_was_killed(put: Put) -> None:
    with put.running() as process:
        until("some of it is persisted", lambda: put.persisted() >= 10 * MIB)
        assert process.poll() is None
        process.kill()
    (entry,) = put.entries()
    before = put.persisted()
    assert 10 * MIB <= before < SIZE
    with put.running() as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert json.loads(out)["size"] == SIZE
    assert put.entries() == []
    assert put.stored() == put.expected
    with Client(put.environ["STRONGROOM_STORAGE_ADDRESS"], token=put.stack.token(put.user)) as client:
        seen: list[int] = []
        client.upload_resumable(
            put.path, upload_id=str(entry["upload_id"]), on_progress=lambda done, _total: seen.append(done)
        )
    assert seen == [SIZE], "the second process went on with the session of the first one"


@pytest.mark.parametrize("service", ["storage", "metadata"])
def test_goes_on_after_a_service_was_killed(put: Put, service: Service) -> None:
    with put.running() as process:
        until("some of it is persisted", lambda: put.persisted() >= 10 * MIB)
        assert process.poll() is None
        put.stack.kill(service)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert json.loads(out)["size"] == SIZE
    assert put.entries() == []
    assert put.stored() == put.expected
