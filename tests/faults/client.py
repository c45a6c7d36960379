"""Clients of a cell that record their answers. The checker compares these with the stored state."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.seed import dice
from tests.stack import PATIENCE, until

PART: Final = 5 << 20
"""STRONGROOM_PART_SIZE_BYTES of every cell: the smallest that S3 allows."""
SMALL: Final = 20_011
LARGE: Final = PART + 300_007
"""Two parts, the second one short."""


def new_upload(owner: str, size: int = SMALL) -> Upload:
    """Random bytes with an idempotency key; one upload per owner is enough for most tests."""
    return Upload(owner, f"request-of-{owner}", dice(owner).randbytes(size))


@dataclass(frozen=True)
class Answer:
    """An answer: the HTTP status (0: the connection broke), the key or the error's code, Retry-After."""

    status: int
    key: str = ""
    code: str = ""
    retry_after: str = ""


def put(cell: Cell, upload: Upload) -> Answer:
    """Upload the file through the gateway once, and record the answer in ``upload``.

    Without a request id no idempotency key is sent.
    """
    with http_client(cell, upload.owner) as client:
        try:
            reply = client.post(
                "/api/v1/s3/upload",
                headers={"idempotency-key": upload.request_id} if upload.request_id else {},
                data={"folder": "uploads"},
                files={"file": ("file.bin", upload.body, "application/octet-stream")},
            )
        except httpx.TransportError:
            upload.replies.append(0)
            return Answer(0)
    upload.replies.append(reply.status_code)
    if reply.status_code != 201:
        return Answer(reply.status_code, "", reply.json()["code"], reply.headers.get("retry-after", ""))
    upload.acked = reply.json()["key"]
    return Answer(201, upload.acked)


def repeat_until_stored(cell: Cell, upload: Upload) -> str:
    """Repeat while the answer says so (409, 503), like a client. Returns the key."""

    def attempt() -> str:
        answer = put(cell, upload)
        assert answer.status in (0, 201, 409, 503, 504), f"the repetition was answered {answer.status}"
        return answer.key

    return until(f"the repetition of {upload.request_id} succeeds", attempt, pause=0.3)


def delete(cell: Cell, owner: str, key: str) -> int:
    """Delete a file through the gateway. Returns the status; 0 if the connection broke."""
    with http_client(cell, owner) as client:
        try:
            return client.delete(f"/api/v1/s3/file/{quote(key)}").status_code
        except httpx.TransportError:
            return 0


def read(cell: Cell, owner: str, key: str) -> tuple[int, bytes]:
    """Download a file through the gateway."""
    with http_client(cell, owner) as client:
        reply = client.get(f"/api/v1/s3/file/{quote(key)}")
        return reply.status_code, reply.content


def read_as_told(cell: Cell, owner: str, key: str) -> tuple[int, bytes]:
    """Download, with one retry if the answer says when (``Retry-After``): a machine that restarts all
    services may be too busy for a read in time.
    """
    with http_client(cell, owner) as client:
        path = f"/api/v1/s3/file/{quote(key)}"
        reply = client.get(path)
        if reply.status_code == 503:
            time.sleep(float(reply.headers["retry-after"]))
            reply = client.get(path)
        return reply.status_code, reply.content


@contextmanager
def putting(cell: Cell, upload: Upload) -> Iterator[threading.Thread]:
    """``put`` in the background; leaving the block waits for its end."""
    thread = threading.Thread(target=put, args=(cell, upload), name=f"client of {upload.owner}")
    thread.start()
    try:
        yield thread
    finally:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the client is still waiting for its answer"


def http_client(cell: Cell, owner: str, url: str = "") -> httpx.Client:
    """A user's client of the gateway at ``url``, by default the cell's."""
    return httpx.Client(
        base_url=url or cell.url,
        headers={"authorization": f"Bearer {cell.token(owner)}"},
        timeout=PATIENCE,
        trust_env=False,
        verify=False,
    )
