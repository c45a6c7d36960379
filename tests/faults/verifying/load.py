"""Users at work during a verification: every kind of write, repeated until stopped."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import httpx

from tests.e2e.belongings import TUS, project, upload
from tests.faults.verifying.planting import Planting

TRIES: Final = 6
BREATH: Final = 1.5
"""Seconds between a user's rounds. With less, they take the CPU that the verification needs, and only
lengthen it: at 0.5 the tests took twice the CPU and three times as long.
"""
OFFSET: Final = "application/offset+octet-stream"


class Patient(httpx.HTTPTransport):
    """Repeats requests answered 503 when the answer says, like users: the machine may be busy."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = super().handle_request(request)
        for _ in range(TRIES):
            if response.status_code != 503:
                break
            response.read()
            time.sleep(float(response.headers["retry-after"]))
            response = super().handle_request(request)
        return response


@contextmanager
def running(at: Planting) -> Iterator[Callable[[], int]]:
    """Users of all kinds at work. Yields a function for the number of their rounds. Their errors are
    raised.
    """
    stop, rounds = threading.Event(), [0] * len(USERS)

    def work(number: int) -> None:
        owner = at.owner()
        plain = at.http(owner)
        with httpx.Client(
            base_url=plain.base_url,
            headers=plain.headers,
            timeout=plain.timeout,
            transport=Patient(verify=False),
        ) as http:
            while not stop.is_set():
                USERS[number](at, http, owner)
                rounds[number] += 1
                stop.wait(BREATH)

    with ThreadPoolExecutor(len(USERS)) as threads:
        working = [threads.submit(work, number) for number in range(len(USERS))]
        try:
            yield lambda: min(rounds)
        finally:
            stop.set()
        for one in working:
            one.result()


def files(at: Planting, http: httpx.Client, owner: str) -> None:
    """Uploads, one of which stays and one is deleted."""
    keys = []
    for _ in range(2):
        reply = http.post("/api/v1/s3/upload", files=upload(uuid.uuid4().bytes, "a.bin", "application/x-a"))
        assert reply.status_code == 201, reply.text
        keys.append(reply.json()["key"])
    assert http.delete(f"/api/v1/s3/file/{keys[0]}").status_code == 200


def paths(at: Planting, http: httpx.Client, owner: str) -> None:
    """Overwrites of one path."""
    with at.client(owner) as client:
        for _ in range(3):
            client.files.upload_file(uuid.uuid4().bytes, "busy/a.txt")


def projects(at: Planting, http: httpx.Client, owner: str) -> None:
    """Saves that change, remove and add a path again."""
    page = {"path": "index.html", "content": str(uuid.uuid4())}
    other = {"path": "other.txt", "content": str(uuid.uuid4())}
    for tree in ([page, other], [page], [page, other]):
        reply = http.post("/api/projects/save", json=project("site") | {"files": tree})
        assert reply.status_code == 200, reply.text


def sessions(at: Planting, http: httpx.Client, owner: str) -> None:
    """Resumable uploads: one finished, one cancelled."""
    for length, ended in ((6, True), (9, False)):
        reply = http.post("/files", headers=TUS | {"upload-length": str(length)})
        assert reply.status_code == 201, reply.text
        path = httpx.URL(reply.headers["location"]).path
        for offset in (0, 3):
            headers = TUS | {"upload-offset": str(offset), "content-type": OFFSET}
            reply = http.patch(path, headers=headers, content=b"abc")
            assert reply.status_code == 204, reply.text
        if not ended:
            assert http.delete(path, headers=TUS).status_code == 204


def generations(at: Planting, http: httpx.Client, owner: str) -> None:
    """Generations that are created and deleted, counted by day."""
    data = {"type": "text-to-image", "prompt": owner}
    reply = http.post("/api/generations/upload", data=data, files=upload())
    assert reply.status_code == 201, reply.text
    assert http.delete(f"/api/generations/{reply.json()['generation']['id']}").is_success


def multipart(at: Planting, http: httpx.Client, owner: str) -> None:
    """Bodies with several parts."""
    body = uuid.uuid4().bytes * (6 << 16)
    reply = http.post("/api/v1/s3/upload", files=upload(body, "a.bin", "application/x-a"))
    assert reply.status_code == 201, reply.text


USERS: Final = (files, paths, projects, sessions, generations, multipart)
