"""The gateway in process: a real HTTP server on a free port, in front of the fakes or other services."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from gateway.app import build_app
from gateway.bootstrap import open_services
from gateway.config import GatewaySettings
from gateway.server.serve import GatewayServer, address_of, bind, make_server
from gateway.upstream.call import Services
from tests.integration.gateway.fakes.servers import Backends, run_backends

SECRET = "a secret of thirty-two bytes or more"
BOUNDARY = "----strongroom-test-boundary"


def token(sub: str = "alice", **claims: Any) -> str:
    """A bearer token; ``claims`` override or add to the default ones."""
    now = int(time.time())
    payload = {"sub": sub, "iat": now, "exp": now + 3600} | claims
    return jwt.encode({key: value for key, value in payload.items() if value is not None}, SECRET, "HS256")


def bearer(sub: str = "alice", **claims: Any) -> dict[str, str]:
    """The Authorization header of a user."""
    return {"Authorization": f"Bearer {token(sub, **claims)}"}


def settings(**changes: Any) -> GatewaySettings:
    """Settings of a test gateway: a free port, HS256."""
    return GatewaySettings(**({"http_bind": "127.0.0.1:0", "jwt_secret": SECRET} | changes))


@dataclass
class Running:
    """A gateway under test."""

    address: str
    server: GatewayServer
    services: Services
    client: httpx.AsyncClient
    backends: Backends

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextlib.asynccontextmanager
async def run_gateway(**changes: Any) -> AsyncIterator[Running]:
    """Fakes, gateway and a client that calls as alice."""
    shared = {name: changes[name] for name in ("max_concurrent_streams",) if name in changes}
    async with run_backends(settings(**shared)) as backends:
        addresses = {
            "storage_address": backends.storage_address,
            "metadata_address": backends.metadata_address,
        }
        chosen = settings(**(addresses | changes))
        listener = bind(chosen)
        async with open_services(chosen) as services:
            server = make_server(build_app(services), chosen, services.metrics, services.draining)
            server.hears_signals = False
            running = asyncio.create_task(server.serve(sockets=[listener]))
            address = address_of(listener)
            async with httpx.AsyncClient(
                base_url=f"http://{address}", headers=bearer(), timeout=60, trust_env=False, verify=False
            ) as client:
                try:
                    yield Running(address, server, services, client, backends)
                finally:
                    server.stop()
                    await running


def form(
    content: bytes | None,
    *,
    filename: str = "hello.txt",
    content_type: str = "text/plain",
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
    final: bool = True,
) -> tuple[bytes, dict[str, str]]:
    """A form body with fields before and after the file, and its header."""
    parts = [_field(name, value) for name, value in (before or {}).items()]
    if content is not None:
        name = f'form-data; name="file"; filename="{filename}"'
        head = f"Content-Disposition: {name}\r\nContent-Type: {content_type}"
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    parts += [_field(name, value) for name, value in (after or {}).items()]
    body = b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if final else b"")
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def _field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
