"""One ``Watch`` call per owner and gateway, shared by all watchers of that owner's events.

A watcher here costs only a queue, not a stream, a subscription to wake-ups, and look-ups in metadata_service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from grpc import aio

from gateway.http.exchange import Exchange
from gateway.upstream.backend import Metadata
from strongroom.errors import StrongroomError, TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import WatchRequest, WatchResponse

#: Most messages queued for one watcher. A watcher that is further behind is dropped, and resumes from its
#: last id.
QUEUED: Final = 256

log = structlog.get_logger("gateway.feeds")

Place = tuple[int, int]


class TooSlow(Exception):
    """The watcher is too far behind. Its client has to reconnect with the id of the last event it saw."""


def place_of(token: str) -> Place:
    """The position of an event's id, or of a resume token, in the owner's stream: transaction and number."""
    xid, number, _ = token.split("-")
    return int(xid), int(number)


class Subscription:
    """The events that one watcher has not received yet. Iteration ends with the feed, or after ``end``."""

    def __init__(self, feed: Feed, exchange: Exchange) -> None:
        self._feed = feed
        self.exchange = exchange
        #: Resume token of its start; empty until the service has begun.
        self.began_at = ""
        self._waiting: deque[WatchResponse] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._overrun = False

    def put(self, message: WatchResponse) -> None:
        """Queue the next message of the feed. Heartbeats are dropped if other messages wait."""
        if self._waiting and not message.HasField("event"):
            return
        if len(self._waiting) >= QUEUED:
            self._overrun = True
            self.end()
            return
        self._waiting.append(message)
        self._news.set()

    def end(self) -> None:
        """Stop receiving messages; those that wait are still returned."""
        if not self._ended:
            self._ended = True
            self._news.set()
            self._feed.leave(self)

    def has(self, place: Place) -> bool:
        """Whether an event at or before ``place`` waits here."""
        return any(one.HasField("event") and place_of(one.event.id) <= place for one in self._waiting)

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        """The messages. Raises TooSlow if some were dropped."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._overrun:
                raise TooSlow
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()


class Feed:
    """One owner's events from now on, for any number of subscriptions; ends when the last of them leaves.

    It reads with the token of one watcher, and continues with another watcher's when that one expires.
    """

    def __init__(self, feeds: Feeds, owner: str, exchange: Exchange) -> None:
        self._feeds = feeds
        self._owner = owner
        self._subscriptions: set[Subscription] = set()
        self._position = ""
        self._exchange = exchange
        self._rpc: Any = self._open()
        #: Done when the service has begun; its exception says why it has not.
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    def subscribe(self, exchange: Exchange) -> Subscription:
        """Subscribe to all messages from now on. ``exchange`` may read them."""
        subscription = Subscription(self, exchange)
        subscription.began_at = self._position
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription, which calls this itself."""
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            self.close()

    def close(self) -> None:
        """End the stream, and with it all subscriptions."""
        self._feeds.forget(self._owner, self)
        self._task.cancel()
        self._rpc.cancel()

    async def _run(self) -> None:
        try:
            while await self._hear():
                self._rpc = self._open()
        except StrongroomError as error:
            self._tell(error)
        finally:
            self._feeds.forget(self._owner, self)
            if not self.begun.done():
                self.begun.cancel()
            for subscription in tuple(self._subscriptions):
                subscription.end()

    def _open(self) -> Any:
        request = WatchRequest(resume_token=self._position, user_id=self._exchange.user_id())
        return self._feeds.metadata.watch(self._exchange, request)

    async def _hear(self) -> bool:
        """Pass messages on until the stream ends. Returns whether to continue with another token.

        :raises StrongroomError: metadata_service refused or is not available.
        """
        metadata = self._feeds.metadata
        try:
            self._note(await metadata.first(self._rpc))  # it only says that the service has begun
            if not self.begun.done():
                for subscription in self._subscriptions:
                    subscription.began_at = self._position
                self.begun.set_result(None)
            while (message := await self._rpc.read()) is not aio.EOF:
                self._note(message)
                for subscription in tuple(self._subscriptions):
                    subscription.put(message)
        except aio.AioRpcError as error:
            found = metadata.error(error)
            if not isinstance(found, TokenExpired) or not self._position or not self._renewed():
                raise found from None
            return True
        return False

    def _note(self, message: Any) -> None:
        """Record the stream's position after ``message``."""
        if message is not aio.EOF:
            self._position = message.event.id or message.resume_token or self._position

    def _renewed(self) -> bool:
        """Switch to the exchange whose token expires last. Returns whether that is later than the present
        one's.
        """
        exchanges = [subscription.exchange for subscription in self._subscriptions]
        newest = max(exchanges, key=lambda exchange: exchange.principal.expires, default=self._exchange)
        renewed = newest.principal.expires > self._exchange.principal.expires
        self._exchange = newest
        return renewed

    def _tell(self, error: StrongroomError) -> None:
        if self.begun.done():
            log.info("feed ended", code=error.reason_name)
            return
        self.begun.set_exception(error)
        self.begun.exception()  # retrieved here too: if all watchers have left, nobody waits for it


class Feeds:
    """The feeds of this process, by owner."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self._running: dict[str, Feed] = {}

    async def subscribe(self, exchange: Exchange, owner: str) -> Subscription:
        """Subscribe to the events of ``owner`` from now on; ``exchange`` may read them.

        Returns when metadata_service has begun to watch: no later commit is missed.

        :raises StrongroomError: metadata_service refused.
        """
        feed = self._running.get(owner)
        if feed is None:
            feed = self._running[owner] = Feed(self, owner, exchange)
        subscription = feed.subscribe(exchange)
        try:
            await asyncio.shield(feed.begun)
        except BaseException:
            subscription.end()
            raise
        return subscription

    def forget(self, owner: str, feed: Feed) -> None:
        """Remove a feed that has ended; the next watcher begins another one."""
        if self._running.get(owner) is feed:
            del self._running[owner]

    async def aclose(self) -> None:
        """End all feeds."""
        for feed in tuple(self._running.values()):
            feed.close()
