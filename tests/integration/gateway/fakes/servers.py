"""Runs the fakes as gRPC servers on free ports, behind the interceptors of the real services."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from gateway.upstream.readiness import METADATA_LOOPS, STORAGE_LOOPS
from servicekit.auth.authenticator import Authenticator
from servicekit.drain import Drain
from servicekit.interceptors import AuthPolicy, build_interceptors
from servicekit.options import server_options
from servicekit.serving.infra import ReasonedHealth
from servicekit.settings import CommonSettings
from servicekit.telemetry.rpcs import Metrics
from strongroom.metadata.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from strongroom.storage.v1.storage_service_pb2_grpc import add_StorageServiceServicer_to_server
from tests.integration.gateway.fakes.services import FakeFiles
from tests.integration.gateway.fakes.sessions import FakeSessions
from tests.integration.gateway.fakes.store import MemoryStore

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Backends:
    """The running fakes. ``health``: by service; tests may set it."""

    store: MemoryStore
    storage: FakeSessions
    files: FakeFiles
    storage_address: str = ""
    metadata_address: str = ""
    storage_server: aio.Server | None = None
    storage_health: ReasonedHealth = field(default_factory=ReasonedHealth)
    metadata_health: health.aio.HealthServicer = field(default_factory=health.aio.HealthServicer)


@contextlib.asynccontextmanager
async def run_backends(settings: CommonSettings) -> AsyncIterator[Backends]:
    """Run both services on free loopback ports."""
    store = MemoryStore()
    backends = Backends(store, FakeSessions(store), FakeFiles(store))
    storage, backends.storage_address = _server(settings, backends.storage_health)
    metadata, backends.metadata_address = _server(settings, backends.metadata_health)
    add_StorageServiceServicer_to_server(backends.storage, storage)
    add_FileServiceServicer_to_server(backends.files, metadata)
    backends.storage_server = storage
    for servicer, names in (
        (
            backends.storage_health,
            (
                "",
                "strongroom.s3",
                "strongroom.versioning",
                "strongroom.internal",
                *(f"strongroom.{n}" for n in STORAGE_LOOPS),
            ),
        ),
        (backends.metadata_health, ("", "strongroom.postgres", *(f"strongroom.{n}" for n in METADATA_LOOPS))),
    ):
        for name in names:
            await servicer.set(name, SERVING)
    await storage.start()
    await metadata.start()
    try:
        yield backends
    finally:
        backends.storage.faults.gate.set()
        backends.files.faults.gate.set()
        await storage.stop(0)
        await metadata.stop(0)


def _server(settings: CommonSettings, servicer: health.aio.HealthServicer) -> tuple[aio.Server, str]:
    server = aio.server(
        interceptors=build_interceptors(
            authenticator=Authenticator.from_settings(settings),
            metrics=Metrics(),
            policy=AuthPolicy(),
            drain=Drain(),
        ),
        options=server_options(settings),
    )
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return server, f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
