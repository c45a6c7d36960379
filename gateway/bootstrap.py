"""Builds the gateway from its settings; the only place that constructs clients."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gateway.config import GatewaySettings
from gateway.http.tickets import Tickets
from gateway.metrics import Metrics
from gateway.upstream.backend import Metadata, Storage
from gateway.upstream.call import Services
from gateway.upstream.feeds import Feeds
from gateway.upstream.readiness import Readiness, checks
from servicekit.auth.authenticator import Authenticator
from servicekit.inprocess import InProcessChannel, InProcessServer
from servicekit.limits import make_limiter
from servicekit.options import BYTE_STREAM_OPTIONS
from servicekit.serving.channels import make_channel


@contextlib.asynccontextmanager
async def open_services(
    settings: GatewaySettings,
    *,
    storage_service: InProcessServer | None = None,
    metadata_service: InProcessServer | None = None,
) -> AsyncIterator[Services]:
    """Clients of both services, open inside the block. Nothing is connected until it is used. A service that
    runs in this process is given.

    :raises SettingError: a key or certificate can't be read.
    """
    authenticator = Authenticator.from_settings(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(authenticator.aclose)
        # Short calls never share a connection with calls that may be long.
        storage_calls, transfers, metadata_calls, watches = [
            await stack.enter_async_context(
                InProcessChannel(here) if here else make_channel(address, settings, BYTE_STREAM_OPTIONS)
            )
            for here, address in (
                (storage_service, settings.storage_address),
                (metadata_service, settings.metadata_address),
            )
            for _ in range(2)
        ]
        storage = Storage(
            storage_calls,
            transfers,
            seconds=settings.rpc_seconds,
            transfer_seconds=settings.transfer_seconds,
        )
        metadata = Metadata(metadata_calls, watches, seconds=settings.rpc_seconds)
        metrics = Metrics()
        limiter = make_limiter(settings, metrics.registry)
        stack.push_async_callback(limiter.aclose)
        feeds = Feeds(metadata)
        stack.push_async_callback(feeds.aclose)
        yield Services(
            settings=settings,
            authenticator=authenticator,
            storage=storage,
            metadata=metadata,
            readiness=Readiness(checks(storage, metadata), seconds=settings.readiness_seconds),
            metrics=metrics,
            limiter=limiter,
            feeds=feeds,
            tickets=Tickets.from_settings(settings),
        )
