"""The fakes on real sockets, in a separate event loop, so that blocking callers don't stop them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no types published

from servicekit.serving.infra import ReasonedHealth
from strongroom.metadata.v1 import file_service_pb2_grpc, usage_service_pb2_grpc
from strongroom.storage.v1 import diagnostics_service_pb2_grpc, storage_service_pb2_grpc
from tests.integration.sdk.fakes.diagnostics import FakeDiagnostics
from tests.integration.sdk.fakes.metadata import FakeFiles, FakeUsage
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.fakes.storage import FakeStorage

#: Fewer streams per connection than a client that does not count would open.
OPTIONS = [("grpc.max_concurrent_streams", 100)]
SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass
class Fakes:
    """Running fakes: their addresses and their state."""

    storage_address: str
    metadata_address: str
    state: State
    loop: asyncio.AbstractEventLoop
    health: dict[str, ReasonedHealth] = field(default_factory=dict)

    def set_health(self, service: str, status: int) -> None:
        """Change the health of ``service`` in both services."""
        for servicer in self.health.values():
            asyncio.run_coroutine_threadsafe(
                servicer.set(service, status),
                self.loop,
            ).result(60)


@contextmanager
def running(state: State | None = None, *, storage_port: int = 0) -> Iterator[Fakes]:
    """Both services on loopback; ports are free ones unless given."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fakes", daemon=True)
    thread.start()
    servers: list[grpc.aio.Server] = []
    try:
        fakes = asyncio.run_coroutine_threadsafe(
            _start(state or State(), servers, storage_port), loop
        ).result(60)
        yield fakes
    finally:
        asyncio.run_coroutine_threadsafe(_stop(servers), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _start(state: State, servers: list[grpc.aio.Server], storage_port: int) -> Fakes:
    storage, metadata = grpc.aio.server(options=OPTIONS), grpc.aio.server(options=OPTIONS)
    servers += [storage, metadata]
    storage_service_pb2_grpc.add_StorageServiceServicer_to_server(FakeStorage(state), storage)
    diagnostics_service_pb2_grpc.add_DiagnosticsServiceServicer_to_server(FakeDiagnostics(state), storage)
    file_service_pb2_grpc.add_FileServiceServicer_to_server(FakeFiles(state), metadata)
    usage_service_pb2_grpc.add_UsageServiceServicer_to_server(FakeUsage(state), metadata)
    found: dict[str, ReasonedHealth] = {}
    for name, server, backing in (("storage", storage, "s3"), ("metadata", metadata, "postgres")):
        found[name] = ReasonedHealth()
        health_pb2_grpc.add_HealthServicer_to_server(found[name], server)
        await found[name].set("", SERVING)
        await found[name].set(f"strongroom.{backing}", SERVING)
        await found[name].set("strongroom.versioning", SERVING)
    ports = [
        server.add_insecure_port(f"127.0.0.1:{port}")
        for server, port in zip(servers, (storage_port, 0), strict=True)
    ]
    for server in servers:
        await server.start()
    addresses = [f"127.0.0.1:{port}" for port in ports]
    return Fakes(addresses[0], addresses[1], state, asyncio.get_running_loop(), found)


async def _stop(servers: list[grpc.aio.Server]) -> None:
    for server in servers:
        await server.stop(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(tasks, timeout=5) if tasks else None
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()
