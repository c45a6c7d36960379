"""A project as JSON, written while its files are read. If the client takes nothing, the gateway holds less
than a MiB of it, whatever the files.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.families.projects.shapes import OneProject, ProjectMetadata, ReadTreeFile
from gateway.http.reply import JsonReply
from gateway.http.shapes import rfc3339
from gateway.operations.retention import KeptFacts, add_kept
from gateway.upstream.call import Call
from gateway.upstream.rpcs import LIST_PROJECT_FILES
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.metadata.v1.project_service_pb2 import ListProjectFilesRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, ProjectFileName

#: The most files read ahead, and the most bytes of all of them.
AHEAD: Final = 8
AHEAD_BYTES: Final = 512 << 10
#: A longer file is never held as a whole. Its last byte may decide whether it is text, and so how its content
#: begins: it is read twice.
WHOLE_BYTES: Final = 256 << 10


class ProjectReply(JsonReply[OneProject]):
    """A ``OneProject``, into which the files are inserted one by one."""

    streams = True

    def __init__(self, call: Call, project: Project, version: int, files: list[ProjectFile]) -> None:
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        super().__init__(200, b"", headers, codable=True)
        self._call = call
        self._project = project
        self._version = version
        self._files = files

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        """Send head, files and tail. The first file is requested before, so that its failure still gets a
        status.
        """
        start = {"type": "http.response.start", "status": 200, "headers": self.headers}
        if scope["method"] == "HEAD":
            await send(start)
        else:
            async with aclosing(self._pieces()) as pieces:
                piece = await anext(pieces)
                await send(start)
                await _write(send, piece)
                async for piece in pieces:
                    await _write(send, piece)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncGenerator[str]:
        """The answer in pieces."""
        before, tail = self._frame()
        async with aclosing(self._contents()) as contents:
            async for file, content in contents:
                if content is not None:
                    yield before + _dump(_shown(file, content))
                else:
                    async with aclosing(self._long_file(file)) as pieces:
                        async for piece in pieces:
                            yield before + piece
                            before = ""
                before = ","
        yield tail if self._files else before + tail

    def _frame(self) -> tuple[str, str]:
        project = self._project
        kept: KeptFacts = {}
        add_kept(kept, project.retention)
        start = {"name": project.name, "slug": project.slug, "version": self._version, **kept}
        metadata: ProjectMetadata = {
            "created_date": rfc3339(project.create_time),
            "updated_date": rfc3339(project.update_time),
            "user_id": project.owner_id,
            "project_slug": project.slug,
        }
        head = _dump({"success": True, "project": start})
        return head[:-2] + ',"files":[', '],"metadata":' + _dump(metadata) + "}}"

    async def _contents(self) -> AsyncGenerator[tuple[ProjectFile, bytes | None]]:
        """Files with their bytes, in order, some read ahead. None: too long for that."""
        ahead: deque[tuple[ProjectFile, asyncio.Task[bytes] | None]] = deque()
        waiting = deque(self._files)
        held = 0
        try:
            while waiting or ahead:
                while waiting and len(ahead) < AHEAD and held + _held(waiting[0]) <= AHEAD_BYTES:
                    file = waiting.popleft()
                    held += _held(file)
                    ahead.append((file, asyncio.create_task(self._content(file)) if _held(file) else None))
                file, reading = ahead.popleft()
                yield file, (await reading if reading is not None else None)
                held -= _held(file)
        finally:
            for _, reading in ahead:
                if reading is not None:
                    reading.cancel()

    async def _content(self, file: ProjectFile) -> bytes:
        async with aclosing(self._messages(file)) as messages:
            return b"".join([data async for data in messages])

    async def _messages(self, file: ProjectFile) -> AsyncGenerator[bytes]:
        """The bytes of a file as they arrive."""
        name = ProjectFileName(slug=self._project.slug, path=file.path, version=self._version)
        storage = self._call.services.storage
        rpc: Any = storage.download(
            self._call, DownloadRequest(project_file=name, user_id=self._call.user_id())
        )
        try:
            with self._call.client.cancels(rpc):
                message = await storage.first(rpc)
                while message is not aio.EOF:
                    data, message = bytes(message.data), None  # don't hold both while the client is slow
                    yield data
                    del data
                    message = await rpc.read()
        except aio.AioRpcError as error:
            raise storage.error(error) from None
        finally:
            rpc.cancel()

    async def _long_file(self, file: ProjectFile) -> AsyncGenerator[str]:
        """Like ``_shown``, in pieces."""
        coder = _Text() if await self._is_text(file) else _Base64()
        yield f'{{"path":{_dump(file.path)},"content":"'
        async with aclosing(self._messages(file)) as messages:
            async for data in messages:
                for begin in range(0, len(data), WHOLE_BYTES):
                    yield coder.coded(data[begin : begin + WHOLE_BYTES])
        yield coder.coded(b"", final=True) + f'","encoding":"{coder.name}"'
        yield ',"executable":true}' if file.executable else "}"

    async def _is_text(self, file: ProjectFile) -> bool:
        decode = codecs.getincrementaldecoder("utf-8")().decode
        async with aclosing(self._messages(file)) as messages:
            try:
                async for data in messages:
                    decode(data)
                decode(b"", True)
            except UnicodeDecodeError:
                return False
        return True


class _Text:
    """Converts UTF-8 to the inside of a JSON string, in pieces. Raises UnicodeDecodeError."""

    name: Final = "utf-8"

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def coded(self, data: bytes, *, final: bool = False) -> str:
        return _dump(self._decoder.decode(data, final))[1:-1]


class _Base64:
    """Converts to base64, in pieces."""

    name: Final = "base64"

    def __init__(self) -> None:
        self._left = b""

    def coded(self, data: bytes, *, final: bool = False) -> str:
        data = self._left + data
        whole = len(data) if final else len(data) // 3 * 3
        self._left = data[whole:]
        return base64.b64encode(data[:whole]).decode("ascii")


def _held(file: ProjectFile) -> int:
    """The memory for reading ``file`` ahead; 0: it is not read ahead. An empty one still costs a call."""
    return max(1, file.size_bytes) if file.size_bytes <= WHOLE_BYTES else 0


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """All files of a version, and the owner's revision from before they were read."""

    files: list[ProjectFile]
    version: int
    revision: str


async def list_files(call: Call, slug: str, version: int) -> ListedFiles:
    """All files of a version (0: the newest).

    :raises ProjectNotFound, VersionNotFound: it does not exist.
    """
    files: list[ProjectFile] = []
    token = revision = ""
    while True:
        # A page token belongs to the requested version, and continues with the one that was found.
        request = ListProjectFilesRequest(
            slug=slug, version=version, page_token=token, user_id=call.user_id()
        )
        response = await call.ask(LIST_PROJECT_FILES, request)
        files += response.files
        revision, token = revision or response.revision, response.next_page_token
        if not token:
            return ListedFiles(files, response.version, revision)


def _shown(file: ProjectFile, content: bytes) -> ReadTreeFile:
    try:
        shown: ReadTreeFile = {"path": file.path, "content": content.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        text = base64.b64encode(content).decode("ascii")
        shown = {"path": file.path, "content": text, "encoding": "base64"}
    if file.executable:
        shown["executable"] = True
    return shown


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
