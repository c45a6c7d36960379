"""A project as JSON, written while its files are read: a few files in memory at a time, never the whole
tree.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.http.reply import Reply
from gateway.http.timestamps import rfc3339
from gateway.upstream.call import Call
from gateway.upstream.rpcs import LIST_PROJECT_FILES
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.metadata.v1.project_service_pb2 import ListProjectFilesRequest
from strongroom.storage.v1.download_pb2 import DownloadRequest, ProjectFileName

#: Files read ahead. Each may be 10 MiB, most are some KiB: what is read ahead is bounded by bytes, too.
AHEAD: Final = 8
AHEAD_BYTES: Final = 12 << 20


class ProjectReply(Reply):
    """``{success, project: {name, slug, version, files, metadata}}``."""

    def __init__(self, call: Call, project: Project, version: int, files: list[ProjectFile]) -> None:
        super().__init__(200, b"", [(b"content-type", b"application/json"), (b"cache-control", b"no-store")])
        self._call = call
        self._project = project
        self._version = version
        self._files = files

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        """Send head, files and tail."""
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        if scope["method"] != "HEAD":
            head, tail = self._frame()
            await _write(send, head)
            separator = ""
            async for file, content in self._contents():
                await _write(send, separator + _file_json(file, content))
                separator = ","
            await _write(send, tail)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _frame(self) -> tuple[str, str]:
        project = self._project
        start = {"name": project.name, "slug": project.slug, "version": self._version}
        metadata = {
            "created_date": rfc3339(project.create_time),
            "updated_date": rfc3339(project.update_time),
            "user_id": project.owner_id,
            "project_slug": project.slug,
        }
        head = _dump({"success": True, "project": start})
        return head[:-2] + ',"files":[', '],"metadata":' + _dump(metadata) + "}}"

    async def _contents(self) -> AsyncIterator[tuple[ProjectFile, bytes]]:
        """Files with their bytes, in order, some read ahead."""
        ahead: deque[tuple[ProjectFile, asyncio.Task[bytes]]] = deque()
        waiting = deque(self._files)
        held = 0
        try:
            while waiting or ahead:
                while waiting and len(ahead) < AHEAD and (not ahead or held < AHEAD_BYTES):
                    file = waiting.popleft()
                    held += file.size_bytes
                    ahead.append((file, asyncio.create_task(self._content(file))))
                file, reading = ahead.popleft()
                content = await reading
                held -= file.size_bytes
                yield file, content
        finally:
            for _, reading in ahead:
                reading.cancel()

    async def _content(self, file: ProjectFile) -> bytes:
        name = ProjectFileName(slug=self._project.slug, path=file.path, version=self._version)
        storage = self._call.services.storage
        rpc: Any = storage.download(
            self._call, DownloadRequest(project_file=name, user_id=self._call.user_id())
        )
        pieces = []
        try:
            with self._call.client.cancels(rpc):
                message = await storage.first(rpc)
                while message is not aio.EOF:
                    pieces.append(bytes(message.data))
                    message = await rpc.read()
        except aio.AioRpcError as error:
            raise storage.error(error) from None
        return b"".join(pieces)


async def list_files(call: Call, slug: str, version: int) -> tuple[list[ProjectFile], int]:
    """All files of a version (0: the newest), and which version that is.

    :raises ProjectNotFound, VersionNotFound: no such thing.
    """
    files: list[ProjectFile] = []
    token = ""
    while True:
        request = ListProjectFilesRequest(
            slug=slug, version=version, page_token=token, user_id=call.user_id()
        )
        response = await call.ask(LIST_PROJECT_FILES, request)
        files += response.files
        version, token = response.version, response.next_page_token
        if not token:
            return files, version


def _file_json(file: ProjectFile, content: bytes) -> str:
    told = {"executable": True} if file.executable else {}
    try:
        return _dump({"path": file.path, "content": content.decode(), "encoding": "utf-8", **told})
    except UnicodeDecodeError:
        text = base64.b64encode(content).decode("ascii")
        return _dump({"path": file.path, "content": text, "encoding": "base64", **told})


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
