"""A user's events as they happen: what both doors (server-sent events, WebSocket) share.

Nothing is buffered: events are read from metadata_service only as fast as the client takes them. A client
that takes too long is dropped, and goes on from its last event id.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import structlog
from grpc import aio

from gateway.call import Call
from gateway.timestamps import rfc3339
from strongroom.errors import StrongroomError, TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import Event, EventType, WatchRequest, WatchResponse

NAMES: Final = {
    number: EventType.Name(number).removeprefix("EVENT_TYPE_").lower() for number in EventType.values()
}

log = structlog.get_logger("gateway.notifications")


class Watch:
    """A running ``NotificationService.Watch``; ends when the client leaves or ``close`` is called."""

    def __init__(self, call: Call, rpc: aio.UnaryStreamCall[WatchRequest, WatchResponse]) -> None:
        self._call = call
        self._rpc: Any = rpc
        self._cancel = rpc.cancel
        self._closed = False
        #: Why the service has ended the stream, where the client has to do something about it.
        self.refusal: TokenExpired | None = None
        call.client.add(self._cancel)

    @classmethod
    async def begin(cls, call: Call, resume_token: str) -> Self:
        """The caller's events after ``resume_token`` (empty: from now on).

        Waits for the first heartbeat: an error comes instead of it, while it can still be answered.

        :raises StrongroomError: the token is none, or too old.
        """
        metadata = call.services.metadata
        watch = cls(
            call, metadata.watch(call, WatchRequest(resume_token=resume_token, user_id=call.user_id()))
        )
        try:
            await metadata.first(watch._rpc)
        except aio.AioRpcError as error:
            watch.close()
            raise metadata.error(error) from None
        except BaseException:
            watch.close()
            raise
        return watch

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        """Events and heartbeats. Ends quietly when the service ends the stream: the client comes again."""
        try:
            with self._call.services.draining.endless(self.close):
                while (message := await self._rpc.read()) is not aio.EOF:
                    yield message
        except asyncio.CancelledError:
            if not self._closed and not self._call.client.gone:
                raise
        except aio.AioRpcError as error:
            found: StrongroomError = self._call.services.metadata.error(error)
            log.info("watch ended", code=found.reason_name)
            if isinstance(found, TokenExpired):
                self.refusal = found

    def close(self) -> None:
        """End the stream; once or more often."""
        if not self._closed:
            self._closed = True
            self._call.client.remove(self._cancel)
        self._rpc.cancel()


def show(event: Event) -> dict[str, Any]:
    """An event as JSON."""
    return {
        "id": event.id,
        "type": NAMES[event.type],
        "subject_id": event.subject_id,
        "data": json.loads(event.payload_json or "null"),
        "created_at": rfc3339(event.create_time),
    }
