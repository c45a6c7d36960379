"""The synchronous client: the same calls, from any thread, in a background loop."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, Client
from tests.integration.sdk.conftest import QUICK
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import Fault, token

MIB = 1024 * 1024
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def waiting(fakes: Fakes) -> Iterator[Client]:
    with Client(fakes.storage_address, fakes.metadata_address, token=token(), retry=QUICK) as client:
        yield client


def public(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_") and name != "with_settings"
    }


def test_it_has_every_call_with_the_same_parameters() -> None:
    waiting, asynchronous = public(Client), public(AsyncClient)
    assert waiting.keys() == asynchronous.keys()
    for name, signature in asynchronous.items():
        assert list(waiting[name].parameters) == list(signature.parameters), name
        assert getattr(Client, name).__doc__, name


def test_files_come_and_go(waiting: Client, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 1)
    seen: list[int] = []
    file = waiting.upload(data, AtPath("a.bin"), on_progress=lambda done, _total: seen.append(done))
    assert seen[-1] == len(data)
    assert waiting.get(file.key) == file
    assert waiting.read(file) == data
    assert b"".join(waiting.stream(file, offset=MIB)) == data[MIB:]
    assert waiting.download(file, tmp_path / "b").path.read_bytes() == data
    assert waiting.copy(file, AtPath("c")).size == len(data)
    assert [one.key for one in waiting.list()] == ["paths/alice/a.bin", "paths/alice/c"]
    assert [len(page.files) for page in waiting.list_pages(page_size=1)] == [1, 1]
    assert waiting.sign_url(file).url
    assert waiting.delete(file).id == file.id
    assert not waiting.exists(file)
    assert waiting.usage().file_count == 1


def test_errors_are_the_same(waiting: Client, fakes: Fakes) -> None:
    with pytest.raises(errors.FileNotFound):
        waiting.get("paths/alice/none")
    with pytest.raises(errors.FileNotFound):
        list(waiting.stream("paths/alice/none"))
    fakes.state.upload_faults = [Fault(errors.QuotaExceeded("full"))]
    with pytest.raises(errors.QuotaExceeded):
        waiting.upload(bytes(4 * MIB))


def test_a_generator_is_a_source_and_fails_as_itself(waiting: Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * MIB
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        waiting.upload(pieces())


def test_a_source_may_use_the_client_itself(waiting: Client) -> None:
    file = waiting.upload(os.urandom(5 * MIB))
    again = waiting.upload(waiting.stream(file))
    assert again.crc32c == file.crc32c


def test_many_threads_share_one(waiting: Client) -> None:
    contents = [os.urandom(MIB // 2 + number) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(waiting.upload, contents))
        read = list(pool.map(waiting.read, files))
    assert read == contents


def test_an_iterator_may_be_left_in_the_middle(waiting: Client) -> None:
    file = waiting.upload(bytes(8 * MIB))
    blocks = waiting.stream(file)
    assert len(next(blocks)) == MIB
    del blocks
    assert waiting.read(file, length=1) == b"\0"


def test_calls_from_its_own_callbacks_are_refused_not_stuck(waiting: Client) -> None:
    def ask(_done: int, _total: int | None) -> None:
        waiting.usage()

    with pytest.raises(RuntimeError, match="own callbacks"):
        waiting.upload(b"x", on_progress=ask)


def test_a_closed_client_says_so_and_leaves_no_thread(fakes: Fakes) -> None:
    before = threading.active_count()
    client = Client(fakes.storage_address, fakes.metadata_address, token=token())
    file = client.upload(bytes(4 * MIB))
    left = client.stream(file)
    next(left)
    client.close()
    client.close()
    assert threading.active_count() <= before
    with pytest.raises(RuntimeError, match="closed"):
        client.usage()
    with pytest.raises(RuntimeError, match="closed"):
        next(left)


def test_admins_act_for_others(fakes: Fakes) -> None:
    admin = token("root", role="admin")
    with Client(fakes.storage_address, fakes.metadata_address, token=admin) as client:
        assert client.acting_for("bob").usage().owner_id == "bob"


PROGRAM = """
import sys, time
from strongroom import Client

def endless():
    while True:
        yield b"x" * 1024 * 1024
        time.sleep(0.01)

client = Client(sys.argv[1], sys.argv[2], token=sys.argv[3])
print("ready", flush=True)
try:
    client.upload(endless())
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(client.usage().owner_id, flush=True)
"""


def test_an_interrupt_cancels_the_call_and_the_program_ends_unclosed(fakes: Fakes) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        PROGRAM,
        fakes.storage_address,
        fakes.metadata_address,
        token(),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while "Upload" not in fakes.state.calls and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "interrupted\nalice\n", "")
    assert fakes.state.stored == {}
