"""Events as they happen, of a user (as server-sent events and by WebSocket) and for admins of all.

All watchers of a user share one stream (``gateway.upstream.feeds``). A client that reconnects with the last
event's id first reads what it missed from a separate stream, until it has caught up with the shared one.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import structlog
from grpc import aio

from gateway.families.notifications.shapes import Notification
from gateway.http.shapes import rfc3339
from gateway.upstream.call import Call
from gateway.upstream.feeds import Place, Subscription, place_of
from strongroom.enum_words import event_name
from strongroom.errors import TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import (
    Event,
    EventType,
    WatchAllRequest,
    WatchAllResponse,
    WatchRequest,
    WatchResponse,
)

NAMES: Final = {number: event_name(number) for number in EventType.values()}


class Watch:
    """One watcher of a user's events. It ends when the client leaves, on ``close``, or with the service's
    stream.

    ``refusal``: why it has ended, if the client has to react.
    """

    def __init__(self, call: Call, subscription: Subscription) -> None:
        self._call = call
        self._subscription = subscription
        self._missed: Any = None
        self._seen: Place = (0, 0)
        self._closed = False
        self._cancel = self._end
        self.refusal: TokenExpired | None = None
        call.client.add(self._cancel)
        left = call.principal.expires - time.time()
        loop = asyncio.get_running_loop()
        self._expiry = None if left == math.inf else loop.call_later(max(0.0, left), self._expire)

    @classmethod
    async def begin(cls, call: Call, resume_token: str) -> Self:
        """The caller's events after ``resume_token`` (empty: from now on).

        Waits until the service has begun, so that an error can still be answered.

        :raises StrongroomError: the token is invalid or too old.
        """
        owner = call.user_id() or call.principal.subject
        watch = cls(call, await call.services.feeds.subscribe(call, owner))
        try:
            if resume_token:
                await watch._catch_up(resume_token)
                watch._seen = place_of(resume_token)
        except BaseException:
            watch.close()
            raise
        return watch

    async def _catch_up(self, resume_token: str) -> None:
        """Begin to read missed events. The feed is subscribed first: it has what this stream does not."""
        metadata = self._call.services.metadata
        request = WatchRequest(resume_token=resume_token, user_id=self._call.user_id())
        self._missed = metadata.watch(self._call, request)
        try:
            await metadata.first(self._missed)
        except aio.AioRpcError as error:
            raise metadata.error(error) from None

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        """Events, and heartbeats with the stream's position if it is known. Ends without an error when the
        service ends the stream: the client reconnects.

        :raises TooSlow: the client is too far behind.
        """
        try:
            with self._call.services.draining.endless(self.close):
                async for message in self._messages():
                    yield message
        except asyncio.CancelledError:
            if not self._closed and not self._call.client.gone and self.refusal is None:
                raise
        except aio.AioRpcError as error:
            log.info("watch ended", code=self._call.services.metadata.error(error).reason_name)
            self._subscription.end()

    async def _messages(self) -> AsyncIterator[WatchResponse]:
        """Missed events, then the feed's, each once."""
        if self._missed is not None:
            async for message in self._until_caught_up():
                yield message
        else:
            yield WatchResponse(resume_token=self._subscription.began_at)
        async for message in self._subscription:
            if message.HasField("event"):
                if place_of(message.event.id) > self._seen:
                    yield message
            elif message.resume_token and place_of(message.resume_token) < self._seen:
                yield WatchResponse()  # the feed is behind the stream of missed events
            else:
                yield message

    async def _until_caught_up(self) -> AsyncIterator[WatchResponse]:
        """Missed events, up to one that the feed has, too, or to the first heartbeat."""
        while (message := await self._missed.read()) is not aio.EOF and message.HasField("event"):
            self._seen = place_of(message.event.id)
            yield message
            if self._subscription.has(self._seen):
                break
        self._missed.cancel()

    def close(self) -> None:
        """End the watch; may be repeated."""
        if not self._closed:
            self._closed = True
            self._call.client.remove(self._cancel)
            if self._expiry is not None:
                self._expiry.cancel()
        self._end()

    def _expire(self) -> None:
        """A long stream can't be authorized once for all at its begin: end it when the token expires."""
        self.refusal = TokenExpired(
            "The token of this stream has expired; connect again with a new one and the id of the last event."
        )
        self._end()

    def _end(self) -> None:
        self._subscription.end()
        if self._missed is not None:
            self._missed.cancel()


class WatchAll:
    """One watcher of all users' events, with a stream of its own. It ends when the client leaves, on
    ``close``, or with the service's stream.

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


def show(event: Event) -> Notification:
    """An event as JSON."""
    shown: Notification = {
        "id": event.id,
        "type": event_name(event.type),
        "subject_id": event.subject_id,
        "data": json.loads(event.payload_json or "null"),
        "created_at": rfc3339(event.create_time),
    }
    if event.user_id:
        shown["user_id"] = event.user_id
    return shown


log = structlog.get_logger("gateway.notifications")
