"""A project as JSON: which files are read, when, and how much is held for a client that reads nothing."""

from __future__ import annotations

import asyncio
import json
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest
from grpc import aio

from gateway.families.projects import reading
from gateway.families.projects.reading import AHEAD_BYTES, WHOLE_BYTES, ProjectReply
from gateway.http.leaving import Client
from gateway.upstream.call import Services
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse
from tests.unit.gateway.calls import make_call

MESSAGE = 100_003
KIB = 1024
UMLAUTS = 'ä€😀"\\\n'.encode() * 60_000


class Rpc:
    """A download that counts its messages as they are read."""

    def __init__(self, storage: Storage, content: bytes) -> None:
        self._storage = storage
        self._left = content

    async def read(self) -> Any:
        await asyncio.sleep(0)
        if not self._left:
            return aio.EOF
        data, self._left = self._left[:MESSAGE], self._left[MESSAGE:]
        self._storage.read += len(data)
        return DownloadResponse(data=data)

    def cancel(self) -> None:
        self._left = b""


class Storage:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.read = 0
        self.asked: list[str] = []

    def download(self, _: Any, request: DownloadRequest) -> Rpc:
        self.asked.append(request.project_file.path)
        return Rpc(self, self.files[request.project_file.path])

    async def first(self, rpc: Rpc) -> Any:
        return await rpc.read()


class Away(Storage):
    async def first(self, rpc: Rpc) -> Any:
        raise ServiceUnavailable("away", retry_after=2.0)


def reply(storage: Storage) -> tuple[ProjectReply, Any]:
    call = make_call()
    call.services = cast("Services", SimpleNamespace(storage=storage))
    call.client = Client()
    files = [
        ProjectFile(path=path, size_bytes=len(content), executable=path.endswith(".sh"))
        for path, content in storage.files.items()
    ]
    return ProjectReply(call, Project(name="site", slug="site"), 3, files), call.scope


async def sent_by(storage: Storage) -> tuple[list[dict[str, Any]], Any]:
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    answer, scope = reply(storage)
    await answer.send_to(scope, cast("Any", None), send)
    return messages, json.loads(b"".join(one.get("body", b"") for one in messages))


CONTENTS = {
    "empty": b"",
    "small text": b"<p>\xc3\xa4</p>",
    "small bytes": b"\xff\x00",
    "exactly whole": b"x" * WHOLE_BYTES,
    "long text": UMLAUTS,
    "long bytes": os.urandom(WHOLE_BYTES + 1),
    "long, cut character": b"x" * WHOLE_BYTES + b"\xf0\x9f",
    "long, last byte is none": b"x" * (5 * MESSAGE) + b"\xff",
}


@pytest.mark.parametrize("name", CONTENTS)
async def test_every_file_comes_as_it_is(name: str) -> None:
    content = CONTENTS[name]
    _, body = await sent_by(Storage({"a.txt": b"a", "it.sh": content, "z.txt": b"z"}))
    first, found, last = body["project"]["files"]
    assert found == reading._shown(ProjectFile(path="it.sh", executable=True), content)
    assert (first["content"], last["content"]) == ("a", "z")


async def test_a_project_without_files_has_none() -> None:
    _, body = await sent_by(Storage({}))
    assert body["project"]["files"] == []


@pytest.mark.parametrize(
    "sizes",
    [
        [10 << 20],
        [1 << 20] * 30,
        [WHOLE_BYTES] * 60,
        [40 * KIB] * 300,
        [3, 9 << 20, 3, WHOLE_BYTES, WHOLE_BYTES],
    ],
)
async def test_for_a_client_that_takes_nothing_little_is_held(sizes: list[int]) -> None:
    storage = Storage({f"{number}.txt": b"x" * size for number, size in enumerate(sizes)})
    answer, scope = reply(storage)
    taken, largest, go_on = 0, 0, asyncio.Event()

    async def send(message: Any) -> None:
        nonlocal taken, largest
        body = message.get("body", b"")
        taken += len(body)
        largest = max(largest, len(body))
        if taken > 100:
            await go_on.wait()

    sending = asyncio.create_task(answer.send_to(scope, cast("Any", None), send))
    for _ in range(2000):
        await asyncio.sleep(0)
    checked = sizes[0] if sizes[0] > WHOLE_BYTES else 0  # was read once before, and is not kept
    assert storage.read - checked - taken <= AHEAD_BYTES + MESSAGE
    go_on.set()
    await sending
    assert largest <= WHOLE_BYTES + KIB
    assert taken > sum(sizes)


async def test_a_service_that_is_away_is_told_before_the_answer_begins() -> None:
    for content in (b"small", bytes(WHOLE_BYTES + 1)):
        messages = list[Any]()

        async def send(message: Any, messages: list[Any] = messages) -> None:
            messages.append(message)

        answer, scope = reply(Away({"a": content}))
        with pytest.raises(ServiceUnavailable):
            await answer.send_to(scope, cast("Any", None), send)
        assert messages == []


async def test_a_client_that_leaves_ends_all_reading() -> None:
    storage = Storage({f"{number}.txt": b"x" * KIB for number in range(100)})
    answer, scope = reply(storage)

    async def send(_: Any) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await answer.send_to(scope, cast("Any", None), send)
    asked = len(storage.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(storage.asked) == asked <= 9
