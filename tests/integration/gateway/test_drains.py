"""Requests cut off by a drain get an error, in any state."""

from __future__ import annotations

import asyncio
import signal
from urllib.parse import urlsplit

import httpx

from tests.integration.gateway.fakes.servers import run_backends
from tests.integration.gateway.harness import bearer, form, settings
from tests.integration.gateway.raw import Answer, Connection, head, until
from tests.integration.gateway.test_process import address_of, ended, start, to
from tests.integration.gateway.tus_calls import BYTES, TUS

SENT = 70_001


async def begun(address: str, request: bytes) -> Connection:
    """A request of which this much has been sent."""
    host, _, port = address.rpartition(":")
    connection = Connection(*await asyncio.open_connection(host, int(port)))
    await connection.send(request)
    return connection


def is_told_so(answer: Answer) -> bool:
    """Check for a problem with Retry-After on a connection that closes."""
    return (
        (answer.status, answer.problem["code"]) == (503, "SERVICE_UNAVAILABLE")
        and int(answer.headers["retry-after"]) >= 1
        and answer.headers["connection"] == "close"
    )


async def test_slow_bodies_of_every_kind() -> None:
    body, headers = form(bytes(4 * SENT), before={"folder": "uploads"})
    text = b'{"name": "n", '  # with a slug the call would begin, but the fake service has no projects
    json = {"Content_Type": "application/json", "Content_Length": str(4 * SENT)}
    async with (
        run_backends(settings()) as backends,
        start(**to(backends, STRONGROOM_DRAIN_SECONDS="1")) as process,
    ):
        address = await address_of(process)
        async with httpx.AsyncClient(
            base_url=f"http://{address}", headers=bearer(), trust_env=False, verify=False
        ) as client:
            made = await client.post("/files", headers={**TUS, "Upload-Length": str(4 * SENT)})
        tus = {name.replace("-", "_"): value for name, value in BYTES.items()}
        path = urlsplit(made.headers["location"]).path
        slow = {
            "tus": head("PATCH", path, **tus, Upload_Offset="0", Content_Length=str(4 * SENT)) + bytes(SENT),
            "form": head("POST", "/api/v1/s3/upload", **headers, Content_Length=len(body)) + body[:SENT],
            "form, no byte": head("POST", "/api/v1/s3/upload", **headers, Content_Length=len(body)),
            "tree": head("POST", "/api/projects/save", **json) + text,
            "import": head("POST", "/api/generations", **json) + b"{",
        }
        connections = {name: await begun(address, request) for name, request in slow.items()}
        await until(lambda: backends.storage.faults.received >= SENT, "the bytes did not arrive")
        process.send_signal(signal.SIGTERM)
        answers = {name: await connection.answer() for name, connection in connections.items()}
        for connection in connections.values():
            assert await connection.closed()
            connection.leave()
        code, errors = await ended(process)
        assert [name for name, answer in answers.items() if not is_told_so(answer)] == [], answers
        assert answers["tus"].headers["tus-resumable"] == "1.0.0"
        assert (code, "Traceback" in errors) == (0, False), errors
        await until(lambda: backends.storage.faults.open_streams == 0, "uploads go on")
        assert backends.store.files == {}
