"""The events of all users, for admins: one stream of metadata_service per watcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import structlog
from grpc import aio

from gateway.upstream.call import Call
from strongroom.errors import TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import WatchAllRequest, WatchAllResponse

log = structlog.get_logger("gateway.notifications")


class WatchAll:
    """One watcher. It ends when the client leaves, on ``close``, or with the service's stream.

    ``refusal``: why it has ended, if the client has to react.
    """

    def __init__(self, call: Call, rpc: Any, first: WatchAllResponse) -> None:
        self._call = call
        self._rpc = rpc
        self._first = first
        self._cancel = rpc.cancel
        self._closed = False
        self.refusal: TokenExpired | None = None
        call.client.add(self._cancel)

    @classmethod
    async def begin(cls, call: Call, request: WatchAllRequest) -> Self:
        """Wait until the service has begun, so that an error can still be answered.

        :raises StrongroomError: the caller is no admin, or the token is invalid or too old.
        """
        metadata = call.services.metadata
        rpc = metadata.watch_all(call, request)
        try:
            first = await metadata.first(rpc)
        except aio.AioRpcError as error:
            raise metadata.error(error) from None
        return cls(call, rpc, first)

    async def __aiter__(self) -> AsyncIterator[WatchAllResponse]:
        """Events and heartbeats. Ends without an error when the service ends the stream: the client
        reconnects.
        """
        try:
            with self._call.services.draining.endless(self.close):
                yield self._first
                while (message := await self._rpc.read()) is not aio.EOF:
                    yield message
        except asyncio.CancelledError:
            if not self._closed and not self._call.client.gone:
                raise
        except aio.AioRpcError as error:
            found = self._call.services.metadata.error(error)
            self.refusal = found if isinstance(found, TokenExpired) else None
            log.info("watch ended", code=found.reason_name)

    def close(self) -> None:
        """End the watch; may be repeated."""
        if not self._closed:
            self._closed = True
            self._call.client.remove(self._cancel)
        self._rpc.cancel()
