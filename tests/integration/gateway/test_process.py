"""`python -m gateway serve` as a process: start, wrong settings, taken ports, failpoints, drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.forks import programs
from tests.forks.programs import Program
from tests.integration.gateway.fakes.servers import Backends, run_backends
from tests.integration.gateway.harness import SECRET, bearer, form, settings
from tests.integration.gateway.raw import until

SERVE = ("gateway", "serve")
UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


def environment(**more: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("STRONGROOM_")}
    return {**plain, "STRONGROOM_JWT_SECRET": SECRET, "STRONGROOM_HTTP_BIND": "127.0.0.1:0", **more}


@contextlib.asynccontextmanager
async def start(**variables: str) -> AsyncIterator[Program]:
    process = await asyncio.to_thread(programs.start, SERVE, environment(**variables))
    try:
        yield process
    finally:
        await asyncio.to_thread(process.end)


@contextlib.asynccontextmanager
async def alone(errors: Path, **variables: str) -> AsyncIterator[Program]:
    """A process with memory of its own."""
    process = programs.start_alone(SERVE, environment(**variables), errors)
    try:
        yield process
    finally:
        await asyncio.to_thread(process.end)


async def address_of(process: Program) -> str:
    address = await asyncio.to_thread(process.address)
    assert address.startswith("127.0.0.1:"), address
    return address


def to(backends: Backends, **more: str) -> dict[str, str]:
    return {
        "STRONGROOM_STORAGE_ADDRESS": backends.storage_address,
        "STRONGROOM_METADATA_ADDRESS": backends.metadata_address,
        **more,
    }


async def ended(process: Program) -> tuple[int, str]:
    return await asyncio.to_thread(process.ended), process.errors.read_text()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"STRONGROOM_JWT_SECRET": ""}, "STRONGROOM_JWT_SECRET"),
        ({"STRONGROOM_HTTP_BIND": "8080"}, "STRONGROOM_HTTP_BIND"),
        ({"STRONGROOM_MAX_CONNECTIONS": "none"}, "STRONGROOM_MAX_CONNECTIONS"),
        ({"STRONGROOM_HTTP_TLS_CERT": "/x.pem"}, "STRONGROOM_HTTP_TLS_KEY"),
        ({"STRONGROOM_FAILPOINTS": "gateway.upload.before_finish"}, "STRONGROOM_FAILPOINTS"),
    ],
)
async def test_a_wrong_setting_is_one_line(variables: dict[str, str], named: str) -> None:
    async with start(**variables) as process:
        code, errors = await ended(process)
    assert code == 2
    assert named in errors
    assert "Traceback" not in errors


async def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        async with start(STRONGROOM_HTTP_BIND=bind) as process:
            code, errors = await ended(process)
    assert code == 1
    assert errors.count("\n") == 1
    assert bind in errors
    assert "STRONGROOM_HTTP_BIND" in errors


async def test_sigterm_lets_requests_finish() -> None:
    async with run_backends(settings()) as backends, start(**to(backends)) as process:
        base = f"http://{await address_of(process)}"
        backends.storage.faults.gate.clear()
        body, headers = form(b"kept")
        async with httpx.AsyncClient(
            base_url=base, headers=bearer(), trust_env=False, verify=False
        ) as client:
            running = asyncio.create_task(client.post(UPLOAD, content=body, headers=headers))
            await until(lambda: backends.storage.faults.open_streams == 1, "the upload did not begin")
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            with pytest.raises(httpx.TransportError):
                await httpx.AsyncClient(trust_env=False, verify=False).get(f"{base}/healthz")
            backends.storage.faults.gate.set()
            assert (await running).status_code == 201
        code, _ = await ended(process)
    assert code == 0


async def test_the_balancer_hears_first() -> None:
    more = {"STRONGROOM_DRAIN_PAUSE_SECONDS": "15"}
    async with run_backends(settings()) as backends, start(**to(backends, **more)) as process:
        base = f"http://{await address_of(process)}"
        async with (
            httpx.AsyncClient(base_url=base, headers=bearer(), trust_env=False, verify=False) as client,
            client.stream("GET", "/api/notifications") as events,
        ):
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):  # well before the listener closes
                while (health := await client.get("/healthz")).status_code == 200:
                    pass
            assert (health.status_code, health.headers["connection"]) == (503, "close")
            assert (await client.get("/livez")).status_code == 200
            listed = await client.get("/api/v1/s3/files")
            assert (listed.status_code, listed.headers["connection"]) == (200, "close")
            async with asyncio.timeout(60):
                await events.aread()  # ends like a complete response, not cut off
        code, _ = await ended(process)
    assert code == 0


async def test_sigterm_does_not_wait_for_ever() -> None:
    async with (
        run_backends(settings()) as backends,
        start(**to(backends, STRONGROOM_DRAIN_SECONDS="1")) as process,
    ):
        base = f"http://{await address_of(process)}"
        backends.storage.faults.gate.clear()
        body, headers = form(b"lost")
        async with httpx.AsyncClient(
            base_url=base, headers=bearer(), trust_env=False, verify=False
        ) as client:
            running = asyncio.create_task(client.post(UPLOAD, content=body, headers=headers))
            await until(lambda: backends.storage.faults.open_streams == 1, "the upload did not begin")
            process.send_signal(signal.SIGTERM)
            reply = await running
            assert (reply.status_code, reply.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert reply.headers["content-type"] == "application/problem+json"
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.headers["connection"] == "close"
            code, errors = await ended(process)
        assert code == 0
        assert "Exception in ASGI" not in errors
        await until(lambda: backends.storage.faults.ended_early == 1, "the upload goes on")


@pytest.mark.parametrize(
    ("point", "size", "stored"),
    [
        ("gateway.upload.headers_read", 10, 0),
        ("gateway.upload.before_finish", 10, 0),
        ("gateway.upload.before_finish", 3 * MIB, 0),
        ("gateway.upload.before_reply", 10, 1),
        ("gateway.delete.before_reply", 10, 0),
    ],
)
async def test_killed_at_each_point(point: str, size: int, stored: int) -> None:
    """U00, U15, U30, D07: the client's connection breaks, and the stored files are those of the point's
    definition.
    """
    async with (
        run_backends(settings()) as backends,
        start(**to(backends, STRONGROOM_FAILPOINTS=f"{point}=kill")) as process,
    ):
        base = f"http://{await address_of(process)}"
        body, headers = form(bytes(size), before={"folder": "uploads"})
        async with httpx.AsyncClient(
            base_url=base, headers=bearer(), trust_env=False, verify=False, timeout=60
        ) as client:
            with pytest.raises(httpx.TransportError):
                await store_and_delete(client, body, headers)
        code, _ = await ended(process)
        assert code == -signal.SIGKILL
        await until(lambda: backends.storage.faults.open_streams == 0, "the upload goes on")
        assert len(backends.store.files) == stored


async def store_and_delete(client: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> None:
    response = await client.post(UPLOAD, content=body, headers=headers)
    await client.delete(f"/api/v1/s3/file/{response.json()['key']}")


async def test_memory_does_not_grow_with_the_body(tmp_path: Path) -> None:
    async with run_backends(settings()) as backends, alone(tmp_path / "errors", **to(backends)) as process:
        base = f"http://{await address_of(process)}"
        backends.storage.keep = False
        peaks = []
        async with httpx.AsyncClient(
            base_url=base, headers=bearer(), trust_env=False, verify=False, timeout=300
        ) as client:
            for size in (1 * MIB, 256 * MIB):
                for fields_first in (True, False):
                    content, headers = streamed(size, fields_first=fields_first)
                    assert (await client.post(UPLOAD, content=content, headers=headers)).status_code == 201
                peaks.append(peak_of(process.pid))
        assert peaks[1] - peaks[0] <= 10
        assert peaks[1] <= 90


def streamed(size: int, *, fields_first: bool) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    """Content and headers of a form whose file is generated while it is sent."""
    fields = {"folder": "documents"}
    body, headers = form(b"@", before=fields) if fields_first else form(b"@", after=fields)
    start_of_file, _, rest = body.partition(b"@")

    async def pieces() -> AsyncIterator[bytes]:
        yield start_of_file
        block = os.urandom(MIB)
        for _ in range(size // MIB):
            yield block
        yield rest

    length = len(start_of_file) + size + len(rest)
    return pieces(), {**headers, "Content-Length": str(length)}


def peak_of(pid: int) -> float:
    """Peak memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
