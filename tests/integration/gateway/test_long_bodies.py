"""Bodies that bypass the HTTP parser: the connection can be used after them."""

from __future__ import annotations

import os

from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import connect, head

UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


def upload(content: bytes) -> bytes:
    """A complete upload request."""
    body, headers = form(content, before={"folder": "uploads"})
    return head("POST", UPLOAD, **headers, Content_Length=len(body)) + body


async def test_requests_behind_one_another_on_one_connection(gateway: Running) -> None:
    contents = [os.urandom(3 * MIB), os.urandom(MIB + 5), b"short", os.urandom(2 * MIB)]
    async with connect(gateway) as connection:
        for content in contents:
            await connection.send(upload(content))
            assert (await connection.answer()).status == 201
        await connection.send(head("GET", "/healthz"))
        assert (await connection.answer()).status == 200
    assert [data for _, data in gateway.backends.store.files.values()] == contents


async def test_pipelined_requests(gateway: Running) -> None:
    contents = [os.urandom(3 * MIB), os.urandom(2 * MIB)]
    async with connect(gateway) as connection:
        await connection.send(b"".join(map(upload, contents)) + head("GET", "/healthz"))
        assert [(await connection.answer()).status for _ in range(3)] == [201, 201, 200]
    assert [data for _, data in gateway.backends.store.files.values()] == contents


async def test_a_refused_request_ends_with_its_body(gateway: Running) -> None:
    async with connect(gateway) as connection:
        await connection.send(head("POST", "/nowhere", Content_Length=900_000) + bytes(900_000))
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert await connection.closed()
