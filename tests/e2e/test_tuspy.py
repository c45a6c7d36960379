"""tuspy, a tus client in Python, against a whole stack."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys

import pytest
from tusclient import client as tus

from tests.stack import RunningStack

MIB = 1024 * 1024
#: Uploads standard input to the given URL, and is killed after the second chunk.
DYING = """
import io, os, signal, sys
from tusclient import client as tus
data = sys.stdin.buffer.read()
client = tus.TusClient(sys.argv[1], headers={"Authorization": f"Bearer {sys.argv[2]}"})
uploader = client.uploader(file_stream=io.BytesIO(data), chunk_size=3 << 20)
uploader.upload_chunk()
uploader.upload_chunk()
print(uploader.url, uploader.offset, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def tus_client(stack: RunningStack, user: str) -> tus.TusClient:
    return tus.TusClient(f"{stack.url}/files/", headers={"Authorization": f"Bearer {stack.token(user)}"})


def stored(stack: RunningStack, user: str) -> list[tuple[int, str]]:
    """Size and SHA-256 of each of the user's files."""
    with stack.http(user) as client:
        files = client.get("/api/v1/s3/files").json()["files"]
        return [
            (file["size"], hashlib.sha256(client.get(f"/api/v1/s3/file/{file['key']}").content).hexdigest())
            for file in files
        ]


def expected(data: bytes) -> list[tuple[int, str]]:
    return [(len(data), hashlib.sha256(data).hexdigest())]


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "checksum"])
@pytest.mark.parametrize("size", [1, 7 * MIB, 20 * MIB + 17])
def test_chunked(stack: RunningStack, size: int, checksum: bool) -> None:
    user, data = f"chunked-{size}-{checksum}", os.urandom(size)
    uploader = tus_client(stack, user).uploader(
        file_stream=io.BytesIO(data),
        chunk_size=3 * MIB,
        metadata={"filename": "film.bin", "family": "files"},
        upload_checksum=checksum,
    )
    uploader.upload()
    assert stored(stack, user) == expected(data)


def test_goes_on_in_another_process(stack: RunningStack) -> None:
    user, data = "across", os.urandom(20 * MIB + 17)
    dead = subprocess.run(
        [sys.executable, "-c", DYING, f"{stack.url}/files", stack.token(user)],
        input=data,
        capture_output=True,
        check=False,
        timeout=180,
    )
    url, offset = dead.stdout.decode().split()
    assert int(offset) == 6 * MIB, dead.stderr.decode()
    uploader = tus_client(stack, user).uploader(file_stream=io.BytesIO(data), chunk_size=8 * MIB, url=url)
    assert uploader.offset == 6 * MIB
    uploader.upload()
    assert stored(stack, user) == expected(data)


def test_survives_restarts_of_every_service(stack: RunningStack) -> None:
    user, data = "restarts", os.urandom(12 * MIB)
    uploader = tus_client(stack, user).uploader(
        file_stream=io.BytesIO(data), chunk_size=3 * MIB, retries=20, retry_delay=1
    )
    for service in ("storage", "metadata"):
        uploader.upload(stop_at=uploader.offset + 3 * MIB)
        stack.kill(service)
    uploader.upload()
    assert stored(stack, user) == expected(data)
