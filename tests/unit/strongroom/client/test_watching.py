"""A watch whose connection breaks continues where it was, also before its first event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from strongroom.client.retries import Attempts, Deadline, RetryPolicy
from strongroom.client.tokens import Tokens
from strongroom.client.watching import watch
from strongroom.errors import OffsetOutOfRange, StrongroomError, to_status_proto
from strongroom.metadata.v1.notification_service_pb2 import (
    EVENT_TYPE_FILE_READY,
    Event,
    WatchRequest,
    WatchResponse,
)

GONE = OffsetOutOfRange("Events after this one are no longer kept.")


class Call:
    """Yields the given events, then ends, or fails."""

    def __init__(self, told: list[WatchResponse | StrongroomError]) -> None:
        self._told = told

    async def __aiter__(self) -> AsyncIterator[WatchResponse]:
        for one in self._told:
            if isinstance(one, StrongroomError):
                status = to_status_proto(one).SerializeToString()
                trailers = grpc.aio.Metadata(("grpc-status-details-bin", status))
                raise grpc.aio.AioRpcError(one.code, grpc.aio.Metadata(), trailers, one.message)
            yield one

    def cancel(self) -> None:
        """Nothing is left to do."""


class Service:
    """One call after the other; with which tokens it was asked."""

    def __init__(self, *calls: list[WatchResponse | StrongroomError]) -> None:
        self._calls = list(calls)
        self.asked: list[str] = []
        self.notifications = self

    def Watch(self, request: WatchRequest, metadata: object) -> Call:
        del metadata
        self.asked.append(request.resume_token)
        return Call(self._calls.pop(0))

    async def metadata(self) -> tuple[tuple[str, str]]:
        return (("x-request-id", "test"),)

    def attempts(self, deadline: Deadline) -> Attempts:
        policy = RetryPolicy(attempts=3, initial_backoff=0.0, max_backoff=0.0)
        return Attempts(policy, Tokens("token"), deadline)


def stands(token: str) -> WatchResponse:
    return WatchResponse(resume_token=token)


def event(token: str) -> WatchResponse:
    return WatchResponse(event=Event(id=token, type=EVENT_TYPE_FILE_READY))


async def heard(service: Any, wanted: int, token: str = "") -> list[str]:
    """The ids of the first events."""
    found: list[str] = []
    async for one in watch(service, "", token):
        found.append(one.id)
        if len(found) == wanted:
            break
    return found


async def test_it_goes_on_from_where_it_began() -> None:
    service = Service(
        [stands("5-0-9")], [stands("5-0-9"), stands("6-0-9")], [stands("6-0-9"), event("7-1-9")]
    )
    assert await heard(service, 1) == ["7-1-9"]
    assert service.asked == ["", "5-0-9", "6-0-9"]


async def test_events_count_more_than_silence() -> None:
    service = Service([stands("5-0-9"), event("6-1-9"), stands("8-0-9")], [stands("6-1-9"), event("7-2-9")])
    assert await heard(service, 2) == ["6-1-9", "7-2-9"]
    assert service.asked == ["", "6-1-9"]


async def test_a_silence_longer_than_events_are_kept() -> None:
    service = Service([stands("5-0-9")], [GONE], [stands("9-0-9"), event("9-1-9")])
    assert await heard(service, 1) == ["9-1-9"]
    assert service.asked == ["", "5-0-9", ""]


async def test_what_was_missed_is_told() -> None:
    for calls in ([[GONE]], [[event("6-1-9")], [GONE]]):
        service = Service(*calls)
        with pytest.raises(OffsetOutOfRange):
            await heard(service, 2, "4-1-9")
