"""When a client leaves, its gRPC call is cancelled at once."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import connect, head, until

UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


async def test_during_an_upload(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    body, headers = form(bytes(8 * MIB), before={"folder": "uploads"})
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body[: 4 * MIB])
        await until(lambda: faults.received >= 3 * MIB, "the bytes did not arrive")
    await until(lambda: faults.ended_early == 1, "the upload goes on")
    assert gateway.backends.store.files == {}


async def test_while_the_answer_to_an_upload_is_awaited(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    faults.gate.clear()
    body, headers = form(b"small")
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body)
        await until(lambda: faults.open_streams == 1, "the upload did not begin")
    await until(lambda: faults.ended_early == 1, "the upload goes on")


@pytest.mark.parametrize(("how", "sent"), [("leave", 5 * MIB), ("reset", 48 * MIB)])
async def test_while_the_store_takes_nothing(gateway: Running, how: str, sent: int) -> None:
    """Reading is paused then, and megabytes of unread data precede the end of the connection. A client with
    more unsent data than the kernels hold is not noticed: its kernel continues to send.
    """
    faults = gateway.backends.storage.faults
    body, headers = form(bytes(64 * MIB), before={"folder": "uploads"})
    async with connect(gateway) as connection:
        faults.gate.clear()
        connection.writer.write(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body[:sent])
        await asyncio.sleep(1.0)
        getattr(connection, how)()
        await until(lambda: faults.ended_early == 1, f"the upload goes on after {how}")


async def test_during_a_download(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    body, headers = form(os.urandom(32 * MIB), before={"folder": "uploads"})
    key = (await gateway.client.post(UPLOAD, content=body, headers=headers)).json()["key"]
    async with connect(gateway) as connection:
        await connection.send(head("GET", f"/api/v1/s3/file/{key}"))
        await connection.reader.readexactly(2 * MIB)
        assert faults.open_streams == 1
    await until(lambda: faults.ended_early == 1, "the download goes on")


async def test_before_the_first_byte_of_a_download(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    body, headers = form(b"x")
    key = (await gateway.client.post(UPLOAD, content=body, headers=headers)).json()["key"]
    faults.gate.clear()
    async with connect(gateway) as connection:
        await connection.send(head("GET", f"/api/v1/s3/file/{key}"))
        await until(lambda: faults.open_streams == 1, "the download did not begin")
    await until(lambda: faults.ended_early == 1, "the download goes on")


async def test_during_a_query(gateway: Running) -> None:
    faults = gateway.backends.files.faults
    faults.gate.clear()
    async with connect(gateway) as connection:
        await connection.send(head("GET", "/api/v1/s3/files"))
        await until(lambda: faults.open_streams == 1, "the query did not begin")
    await until(lambda: faults.ended_early == 1, "the query goes on")


async def test_many_uploads_cut_at_random_leave_nothing(gateway: Running) -> None:
    body, headers = form(os.urandom(2 * MIB), before={"folder": "uploads"})
    request = head("POST", UPLOAD, **headers, Content_Length=len(body)) + body

    async def cut(length: int) -> None:
        async with connect(gateway) as connection:
            await connection.send(request[:length])

    for batch in range(10):
        await asyncio.gather(*(cut((batch * 20 + n) * len(request) // 200) for n in range(20)))
    await until(lambda: gateway.backends.storage.faults.open_streams == 0, "uploads go on")
    assert gateway.backends.store.files == {}
