"""``strongroom version`` with services that report their version, that don't, and that are not reachable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from servicekit.serving.infra import ReasonedHealth
from strongroom.version import PROTOCOL, VERSION, Build
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.shell import Shell


@contextmanager
def running(fakes: Fakes, build: Build | None) -> Iterator[str]:
    """A server that reports that build, or none, in the event loop of ``fakes``."""

    async def start() -> tuple[aio.Server, str]:
        server = aio.server()
        told = ReasonedHealth(build) if build else health.aio.HealthServicer()
        await told.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(told, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, f"127.0.0.1:{port}"

    server, address = asyncio.run_coroutine_threadsafe(start(), fakes.loop).result(60)
    try:
        yield address
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), fakes.loop).result(60)


def test_who_runs_what(shell: Shell, fakes: Fakes) -> None:
    with running(fakes, Build("7.8.9", "e2a2196", "v2")) as address, running(fakes, None) as older:
        away = "127.0.0.1:1"  # no server listens there
        addresses = {"STRONGROOM_METADATA_ADDRESS": address, "STRONGROOM_STORAGE_ADDRESS": older}
        beside = Shell({**shell.environ, **addresses, "STRONGROOM_COMMIT": "4777bc1"})
        (told,) = beside("version", "--json", STRONGROOM_TOKEN="").documents
        said = beside("version")
        (alone,) = beside("version", "--json", STRONGROOM_STORAGE_ADDRESS=away).documents
    client: dict[str, Any] = {"version": VERSION, "commit": "4777bc1", "protocol": PROTOCOL}
    newer = {"version": "7.8.9", "commit": "e2a2196", "protocol": "v2", "address": address, "reachable": True}
    silent = {"address": older, "reachable": True}
    assert told == {"client": client, "storage_service": silent, "metadata_service": newer}
    assert alone["storage_service"] == {"address": away, "reachable": False}
    assert said.exit_code == 0
    assert said.lines == [
        f"client           {VERSION}, commit 4777bc1, protocol {PROTOCOL}",
        f"storage_service  does not say which build it is, at {older}",
        f"metadata_service 7.8.9, commit e2a2196, protocol v2, at {address}",
    ]
    assert "update the older" in said.err
