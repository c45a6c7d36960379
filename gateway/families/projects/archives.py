"""A ZIP as an answer, passed on as storage_service makes it."""

from __future__ import annotations

from typing import Any

from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.http.headers import content_headers
from gateway.http.problems import Truncated
from gateway.http.reply import Reply
from gateway.upstream.call import Call
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest


async def archive_reply(call: Call, request: DownloadArchiveRequest, filename: str) -> Reply:
    """The ZIP as an attachment; its first bytes are waited for, while an error can still be answered.

    :raises StrongroomError: storage_service refused.
    """
    storage = call.services.storage
    rpc: Any = storage.download_archive(call, request)
    try:
        with call.client.cancels(rpc):
            first = await storage.first(rpc)
    except aio.AioRpcError as error:
        raise storage.error(error) from None
    settings = call.services.settings
    headers = list(content_headers("application/zip", filename, corp=settings.corp, attachment=True))
    return _ArchiveReply(call, rpc, first, [*headers, (b"cache-control", b"no-store")])


class _ArchiveReply(Reply):
    """Chunked: nobody knows the size of a ZIP before its end."""

    def __init__(self, call: Call, rpc: Any, first: Any, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(200, b"", headers)
        self._call = call
        self._rpc = rpc
        self._first = first

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        """Send as it comes."""
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        try:
            if scope["method"] != "HEAD":
                with self._call.client.cancels(self._rpc):
                    await self._send_body(send)
        except aio.AioRpcError as error:
            raise Truncated("the archive broke off") from error
        finally:
            self._rpc.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_body(self, send: Send) -> None:
        message, self._first = self._first, None
        while message is not aio.EOF:
            data, message = message.data, None  # not both, for as long as the client takes
            await send({"type": "http.response.body", "body": data, "more_body": True})
            del data
            message = await self._rpc.read()
