"""Real grpc.aio servers in the test's own loop, on ports of the system's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import aio

from servicekit.server import serve_in_process
from servicekit.telemetry import Metrics
from tests.integration.servicekit.echo import SERVICE, Echo, EchoStub, settings


class Serving:
    """``async with serving(echo) as stub``: a started server and a client of it."""

    @staticmethod
    @asynccontextmanager
    async def __call__(
        echo: Echo, *, service: str = SERVICE, metrics: Metrics | None = None, **changes: Any
    ) -> AsyncIterator[EchoStub]:
        async with (
            serve_in_process(echo.spec(), settings(**changes), metrics=metrics) as address,
            aio.insecure_channel(address) as channel,
        ):
            yield EchoStub(channel, service)


@pytest.fixture
def serving() -> Serving:
    return Serving()
