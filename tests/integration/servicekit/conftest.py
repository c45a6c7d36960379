"""Real servers in the test's own loop, reached over HTTP/2 or in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import aio

from servicekit.inprocess import InProcessChannel
from servicekit.serving.server import RunningServer, started_server
from servicekit.telemetry.rpcs import Metrics
from tests.integration.servicekit.echo import SERVICE, Echo, EchoStub, settings


@pytest.fixture(scope="module", autouse=True)
def _forking(forking: None) -> None:
    """Processes in these tests are forks."""


class Serving:
    """``async with serving(echo) as stub``: a started server and its client, over ``way``."""

    def __init__(self, way: str) -> None:
        self.way = way

    @asynccontextmanager
    async def __call__(
        self, echo: Echo, *, service: str = SERVICE, metrics: Metrics | None = None, **changes: Any
    ) -> AsyncIterator[EchoStub]:
        async with (
            started_server(echo.spec(), settings(**changes), metrics=metrics) as server,
            self._channel(server) as channel,
        ):
            yield EchoStub(channel, service)

    def _channel(self, server: RunningServer) -> aio.Channel:
        if self.way == "http2":
            return aio.insecure_channel(server.address)
        return InProcessChannel(server.inside)


@pytest.fixture(params=["http2", "inprocess"])
def serving(request: pytest.FixtureRequest) -> Serving:
    return Serving(request.param)
