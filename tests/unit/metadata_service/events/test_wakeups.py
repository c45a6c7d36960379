"""Connections for notifications are renewed after any error, and no notification is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self, cast

import psycopg
import pytest

from metadata_service.events import wakeups
from metadata_service.events.wakeups import Waker
from servicekit.background import Heartbeats


class FakeConnection:
    """Fails with ``error`` at the first statement; otherwise notifies itself, as Postgres does."""

    def __init__(self, server: FakeServer, error: BaseException | None) -> None:
        self._server = server
        self._error = error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def execute(self, statement: str, params: tuple[list[str]] | None = None) -> None:
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        for owner in params[0] if params else ():
            self._server.notices.put_nowait(owner)

    async def notifies(self, *, timeout: float) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(timeout):
                yield SimpleNamespace(payload=await self._server.notices.get())
        except TimeoutError:
            return


class FakeServer:
    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.notices: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self) -> wakeups.Connection:
        error = self.errors.pop(0) if self.errors else None
        return cast("wakeups.Connection", FakeConnection(self, error))


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("gone"),
        TimeoutError(),
        OSError(104, "reset"),
        ValueError("protocol"),
        KeyError("x"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_owner_is_woken_all_the_same(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    monkeypatch.setattr(wakeups, "RECONNECT_SECONDS", 0.001)
    monkeypatch.setattr(wakeups, "GATHER_SECONDS", 0.0)
    server, heartbeats = FakeServer(error, error), Heartbeats()
    events = Waker(server.connect)
    woken = asyncio.Event()
    with events.waiting("ada", woken):
        events.committed("ada")
        async with events.running(heartbeats):
            await asyncio.wait_for(woken.wait(), 60)
    assert server.errors == []
    assert set(heartbeats.probes()) == {"strongroom.event_listen", "strongroom.event_notify"}
