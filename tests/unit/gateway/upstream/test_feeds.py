"""One stream per owner for any number of watchers; none waits for another or misses an event."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from grpc import StatusCode, aio

from gateway.families.notifications import routes
from gateway.families.notifications.watch import Watch
from gateway.http.leaving import Client, Draining
from gateway.upstream.feeds import QUEUED, Feeds, TooSlow
from servicekit.auth.principal import Principal
from strongroom.errors import OffsetOutOfRange, ServiceUnavailable, TokenExpired
from strongroom.metadata.v1.notification_service_pb2 import Event, WatchRequest, WatchResponse

BEAT = WatchResponse(resume_token="3-0-0")


def event(number: int) -> WatchResponse:
    return WatchResponse(event=Event(id=f"{number}-1-0"))


class Rpc:
    """A running Watch whose messages the test supplies."""

    def __init__(self, request: WatchRequest) -> None:
        self.request = request
        self.cancelled = False
        self._messages: asyncio.Queue[Any] = asyncio.Queue()

    def say(self, *messages: Any) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    async def read(self) -> Any:
        message = await self._messages.get()
        asyncio.get_running_loop().call_soon(self._messages.task_done)
        if isinstance(message, Exception):
            raise message
        return message

    async def heard(self) -> None:
        """Wait until all messages have been read."""
        async with asyncio.timeout(60):
            await self._messages.join()

    def cancel(self) -> None:
        self.cancelled = True


class Metadata:
    """Stands in for metadata_service; keeps every Watch in ``calls``."""

    def __init__(self, first: Any = BEAT) -> None:
        self.calls: list[Rpc] = []
        self._first = first
        self._called = asyncio.Event()

    def watch(self, _: Any, request: WatchRequest) -> Rpc:
        rpc = Rpc(request)
        rpc.say(self._first)
        self.calls.append(rpc)
        self._called.set()
        return rpc

    async def called(self, times: int) -> None:
        """Wait until Watch was called this many times."""
        async with asyncio.timeout(60):
            while len(self.calls) < times:
                self._called.clear()
                await self._called.wait()

    @staticmethod
    async def first(rpc: Rpc) -> Any:
        return await rpc.read()

    @staticmethod
    def error(error: aio.AioRpcError) -> Exception:
        kinds = {StatusCode.UNAVAILABLE: ServiceUnavailable, StatusCode.UNAUTHENTICATED: TokenExpired}
        return kinds.get(error.code(), OffsetOutOfRange)("no")


def failure(code: StatusCode) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata())


class Door:
    """Makes calls of one user."""

    def __init__(self, metadata: Metadata) -> None:
        self.feeds = Feeds(metadata)  # type: ignore[arg-type]
        self._services = SimpleNamespace(feeds=self.feeds, metadata=metadata, draining=Draining())

    def call(self, user: str = "ada", lives: float = math.inf) -> Any:
        principal = Principal(user, expires=time.time() + lives)
        return SimpleNamespace(
            services=self._services, principal=principal, client=Client(), user_id=lambda: ""
        )


async def ids(watch: Watch, count: int) -> list[int]:
    """The numbers of the next events."""
    found: list[int] = []
    async with asyncio.timeout(60):
        async for message in watch:
            if message.HasField("event"):
                found.append(int(message.event.id.partition("-")[0]))
            if len(found) == count:
                return found
    return found


@pytest.fixture
async def metadata() -> Metadata:
    return Metadata()


@pytest.fixture
async def door(metadata: Metadata) -> AsyncIterator[Door]:
    made = Door(metadata)
    yield made
    await made.feeds.aclose()


async def test_watchers_of_an_owner_share_one_stream(door: Door, metadata: Metadata) -> None:
    watches = [await Watch.begin(door.call(), "") for _ in range(50)]
    other = await Watch.begin(door.call("bob"), "")
    assert len(metadata.calls) == 2
    metadata.calls[0].say(event(1), event(2))
    assert [await ids(watch, 2) for watch in watches] == [[1, 2]] * 50
    metadata.calls[1].say(event(3))
    assert await ids(other, 1) == [3]
    for watch in watches:
        watch.close()
    assert metadata.calls[0].cancelled
    assert not metadata.calls[1].cancelled


async def test_watchers_that_come_at_the_same_time_share_it_too(door: Door, metadata: Metadata) -> None:
    await asyncio.gather(*(Watch.begin(door.call(), "") for _ in range(20)))
    assert len(metadata.calls) == 1


async def test_the_next_watcher_after_the_last_begins_anew(door: Door, metadata: Metadata) -> None:
    (await Watch.begin(door.call(), "")).close()
    watch = await Watch.begin(door.call(), "")
    assert len(metadata.calls) == 2
    metadata.calls[1].say(event(1))
    assert await ids(watch, 1) == [1]


async def test_what_was_missed_comes_first_and_nothing_comes_twice(door: Door, metadata: Metadata) -> None:
    await Watch.begin(door.call(), "")
    watch = await Watch.begin(door.call(), "3-1-0")
    shared, missed = metadata.calls
    assert missed.request.resume_token == "3-1-0"
    shared.say(event(6), event(7), event(8))
    await shared.heard()
    missed.say(event(4), event(5), event(6))
    assert await ids(watch, 5) == [4, 5, 6, 7, 8]
    assert missed.cancelled, "it has caught up"
    assert not shared.cancelled


async def test_silence_means_that_nothing_is_missing(door: Door, metadata: Metadata) -> None:
    watch = await Watch.begin(door.call(), "3-1-0")
    shared, missed = metadata.calls
    missed.say(event(4), BEAT)
    shared.say(event(5))
    assert await ids(watch, 2) == [4, 5]
    assert missed.cancelled


async def test_a_watcher_that_is_behind_is_dropped_and_holds_up_nobody(
    door: Door, metadata: Metadata
) -> None:
    slow, quick = [await Watch.begin(door.call(), "") for _ in range(2)]
    hearing = asyncio.create_task(ids(quick, QUEUED + 10))
    for number in range(QUEUED + 10):
        metadata.calls[0].say(event(number + 1))
        await asyncio.sleep(0)
    assert await hearing == list(range(1, QUEUED + 11))
    assert len(await ids(slow, QUEUED)) == QUEUED, "what had come is told: its client knows where to go on"
    with pytest.raises(TooSlow):
        await ids(slow, 1)


async def test_heartbeats_do_not_fill_a_queue(door: Door, metadata: Metadata) -> None:
    slow, quick = [await Watch.begin(door.call(), "") for _ in range(2)]
    metadata.calls[0].say(*[BEAT] * (2 * QUEUED), event(1))
    assert await ids(quick, 1) == [1]
    assert await ids(slow, 1) == [1]


async def test_a_refusal_reaches_everybody_who_waits_for_the_beginning() -> None:
    door = Door(metadata := Metadata(first=failure(StatusCode.UNAVAILABLE)))
    calls = [door.call() for _ in range(3)]
    found = await asyncio.gather(*(Watch.begin(call, "") for call in calls), return_exceptions=True)
    assert [type(one) for one in found] == [ServiceUnavailable] * 3
    assert len(metadata.calls) == 1
    with pytest.raises(ServiceUnavailable):
        await Watch.begin(door.call(), "")
    assert len(metadata.calls) == 2, "the next one asks again"


async def test_an_id_that_is_none_is_refused_and_leaves_nothing_open(door: Door, metadata: Metadata) -> None:
    call = door.call()
    original = metadata.watch

    def refusing(_: Any, request: WatchRequest) -> Rpc:
        if not request.resume_token:
            return original(_, request)
        rpc = Rpc(request)
        rpc.say(failure(StatusCode.OUT_OF_RANGE))
        return rpc

    metadata.watch = refusing  # type: ignore[method-assign]
    with pytest.raises(OffsetOutOfRange):
        await Watch.begin(call, "1-1-0")
    assert metadata.calls[0].cancelled


async def test_the_end_of_the_stream_is_the_end_of_each_watch(door: Door, metadata: Metadata) -> None:
    watches = [await Watch.begin(door.call(), "") for _ in range(3)]
    metadata.calls[0].say(event(1), aio.EOF)
    assert [await ids(watch, 99) for watch in watches] == [[1]] * 3


async def test_a_client_that_leaves_ends_its_own_watch_only(door: Door, metadata: Metadata) -> None:
    leaving, staying = door.call(), door.call()
    left, stays = await Watch.begin(leaving, ""), await Watch.begin(staying, "")
    leaving.client.leave()
    assert await ids(left, 1) == []
    metadata.calls[0].say(event(1))
    assert await ids(stays, 1) == [1]


async def test_a_watch_ends_with_its_own_token_and_says_so(door: Door, metadata: Metadata) -> None:
    short, long = await Watch.begin(door.call(lives=0.2), ""), await Watch.begin(door.call(), "")
    assert await ids(short, 1) == []
    assert short.refusal is not None
    metadata.calls[0].say(event(4))
    assert await ids(long, 1) == [4]
    assert long.refusal is None
    assert len(metadata.calls) == 1


@pytest.mark.parametrize("heard", [[], [event(4)]])
async def test_the_stream_goes_on_with_the_token_of_another_watcher(
    door: Door, metadata: Metadata, heard: list[WatchResponse]
) -> None:
    await Watch.begin(door.call(lives=60), "")
    stays = await Watch.begin(door.call(lives=600), "")
    metadata.calls[0].say(*heard, failure(StatusCode.UNAUTHENTICATED))
    hearing = asyncio.create_task(ids(stays, len(heard) + 1))
    await metadata.called(2)
    assert metadata.calls[1].request.resume_token == (heard[0].event.id if heard else "3-0-0")
    metadata.calls[1].say(event(5))
    assert await hearing == [*(4 for _ in heard), 5]
    metadata.calls[1].say(failure(StatusCode.UNAUTHENTICATED))
    assert await ids(stays, 1) == [], "nobody's token holds longer"


async def test_who_has_left_before_its_stream_began_watches_nothing(door: Door, metadata: Metadata) -> None:
    call = door.call()
    beginning = asyncio.create_task(Watch.begin(call, ""))
    await metadata.called(1)
    call.client.leave()  # while metadata_service is being asked
    watch = await beginning
    assert await ids(watch, 1) == []
    watch.close()
    assert metadata.calls[0].cancelled


async def test_a_stream_whose_first_bytes_cannot_be_sent_is_over(door: Door, metadata: Metadata) -> None:
    async def send(_: Any) -> None:
        raise asyncio.CancelledError

    stream = routes._EventStream(await Watch.begin(door.call(), ""))
    with pytest.raises(asyncio.CancelledError):
        await stream.send_to({"method": "GET"}, send, send)  # type: ignore[arg-type]
    assert metadata.calls[0].cancelled


async def places(watch: Watch, count: int) -> list[str]:
    """The positions in the next messages; for events their ids."""
    found: list[str] = []
    async with asyncio.timeout(60):
        async for message in watch:
            found.append(message.event.id or message.resume_token)
            if len(found) == count:
                break
    return found


async def test_a_stream_says_where_it_has_begun(door: Door, metadata: Metadata) -> None:
    first = await Watch.begin(door.call(), "")
    assert await places(first, 1) == ["3-0-0"]
    metadata.calls[0].say(event(5))
    await metadata.calls[0].heard()
    assert await places(await Watch.begin(door.call(), ""), 1) == ["5-1-0"], "the one that came later"


async def test_no_place_leads_back_behind_what_was_told(door: Door, metadata: Metadata) -> None:
    await Watch.begin(door.call(), "")
    watch = await Watch.begin(door.call(), "6-1-0")
    shared, missed = metadata.calls
    shared.say(WatchResponse(resume_token="5-1-0"), event(6), event(7), event(8))
    await shared.heard()
    missed.say(event(7))
    assert await places(watch, 3) == ["7-1-0", "", "8-1-0"]
