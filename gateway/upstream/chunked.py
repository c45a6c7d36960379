"""Responses of unknown length (ZIPs, files of previews), sent as storage_service produces them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grpc import aio
from starlette.types import Receive, Scope, Send

from gateway.http.headers import content_headers
from gateway.http.problems import Truncated
from gateway.http.reply import Header, Reply, header
from gateway.upstream.call import Call
from gateway.upstream.turns import Passage
from strongroom.errors import from_rpc_error
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest


async def chunked_reply(call: Call, rpc: Any, headers: Iterable[Header]) -> Reply:
    """A response whose body is the ``data`` of the messages of ``rpc``. Waits for the first message, while an
    error can still be answered.

    :raises StrongroomError: storage_service refused.
    """
    storage = call.services.storage
    try:
        with call.client.cancels(rpc):
            first = await storage.first(rpc)
    except aio.AioRpcError as error:
        raise storage.error(error) from None
    return _ChunkedReply(call, rpc, first, headers)


class _ChunkedReply(Reply):
    """A body that ends with the stream."""

    def __init__(self, call: Call, rpc: Any, first: Any, headers: Iterable[Header]) -> None:
        super().__init__(200, b"", headers)
        self._call = call
        self._rpc = rpc
        self._first = first

    async def send_to(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a Reply's signature
        """Send each message as it arrives."""
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        try:
            if scope["method"] != "HEAD":
                with self._call.client.cancels(self._rpc):
                    await self._send_body(send)
        except aio.AioRpcError as error:
            raise Truncated("the archive broke off") from from_rpc_error(error)
        finally:
            self._rpc.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_body(self, send: Send) -> None:
        message, self._first = self._first, None
        passage = Passage(self._call.services.turns, self._call.client)
        while message is not aio.EOF:
            data, message = message.data, None  # keep only one of them while the client reads
            passage.moved += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
            del data
            await passage.turn()
            message = await self._rpc.read()


async def archive_reply(call: Call, request: DownloadArchiveRequest, filename: str) -> Reply:
    """The ZIP as an attachment. Waits for the first bytes, while an error can still be answered.

    :raises StrongroomError: storage_service refused.
    """
    corp = call.services.settings.corp
    headers = content_headers("application/zip", filename, corp=corp, attachment=True)
    rpc = call.services.storage.download_archive(call, request)
    return await chunked_reply(call, rpc, [*headers, header("cache-control", "no-store")])
