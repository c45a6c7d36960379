"""Connections that break or fall silent in the middle of a PATCH."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.gateway.harness import Running, run_gateway
from tests.integration.gateway.raw import connect, until
from tests.integration.gateway.raw import head as request
from tests.integration.gateway.tus_calls import create, head, patch, stored

MIB = 1024 * 1024


def patch_head(url: str, offset: int, length: int | None, **more: str) -> bytes:
    size = {"Transfer_Encoding": "chunked"} if length is None else {"Content_Length": str(length)}
    return request(
        "PATCH",
        url,
        Tus_Resumable="1.0.0",
        Content_Type="application/offset+octet-stream",
        Upload_Offset=str(offset),
        **size,
        **more,
    )


async def offset_of(gateway: Running, url: str) -> int:
    return int((await head(gateway, url)).headers["upload-offset"])


@pytest.mark.parametrize("sent", [1, 70_001, 3 * MIB + 17])
async def test_every_byte_that_came_is_kept(gateway: Running, sent: int) -> None:
    body = bytes(index % 251 for index in range(sent)) + b"the rest"
    url = await create(gateway, len(body))
    async with connect(gateway) as connection:
        await connection.send(patch_head(url, 0, len(body)) + body[:sent])
    storage = gateway.backends.storage
    await until(lambda: storage.faults.received == sent, "not everything arrived")
    await until(lambda: storage.faults.open_streams == 0, "the upload goes on")
    assert storage.faults.ended_early == 0, "half-closed, not cancelled"
    assert await offset_of(gateway, url) == sent
    assert (await patch(gateway, url, sent, b"the rest")).status_code == 204
    assert stored(gateway) == [body]


async def test_also_while_the_store_takes_nothing(gateway: Running) -> None:
    """Bytes in the gateway and in its socket when the client closes count as received."""
    storage = gateway.backends.storage
    sent = 5 * MIB
    url = await create(gateway, 16 * MIB)
    storage.faults.gate.clear()
    async with connect(gateway) as connection:
        sending = asyncio.create_task(connection.send(patch_head(url, 0, 16 * MIB) + bytes(sent)))
        await until(lambda: storage.faults.received > 0, "nothing arrived")
        await asyncio.wait((sending,), timeout=60)
        assert sending.done(), "the sockets' buffers are too small for this test"
        connection.leave()
        await asyncio.sleep(2.5)  # connections are checked once a second
    storage.faults.gate.set()
    await until(lambda: storage.faults.received == sent, "not everything arrived")
    assert await offset_of(gateway, url) == sent


async def test_a_broken_chunked_body_is_kept(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as connection:
        await connection.send(patch_head(url, 0, None) + b"5\r\nhello\r\n4\r\nwo")
        await until(lambda: gateway.backends.storage.faults.received == 7, "not everything arrived")
    assert await offset_of(gateway, url) == 7


async def test_first_bytes_that_break_off_are_kept(gateway: Running) -> None:
    storage = gateway.backends.storage
    async with connect(gateway) as connection:
        await connection.send(
            request(
                "POST",
                "/files",
                Tus_Resumable="1.0.0",
                Content_Type="application/offset+octet-stream",
                Content_Length="10",
                Upload_Length="10",
                Idempotency_Key="one",
            )
            + b"hello"
        )
        await until(lambda: storage.faults.received == 5, "not everything arrived")
    assert await offset_of(gateway, await create(gateway, 10, **{"Idempotency-Key": "one"})) == 5


async def test_a_checksum_that_breaks_off_keeps_nothing(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as connection:
        checksum = "sha1 " + "A" * 27 + "="
        await connection.send(patch_head(url, 0, 10, Upload_Checksum=checksum) + b"hello")
        await until(lambda: gateway.backends.storage.faults.received == 5, "nothing arrived")
    assert await offset_of(gateway, url) == 0


async def test_a_newer_head_ends_a_half_dead_patch(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as dead:
        await dead.send(patch_head(url, 0, 10) + b"hello")
        await until(lambda: gateway.backends.storage.faults.received == 5, "nothing arrived")
        async with asyncio.timeout(60):
            assert await offset_of(gateway, url) == 5
            ended = await dead.answer()
        assert (ended.status, ended.problem["code"]) == (409, "UPLOAD_SUPERSEDED")


async def test_a_newer_patch_ends_a_half_dead_one(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as dead:
        await dead.send(patch_head(url, 0, 10) + b"hello")
        await until(lambda: gateway.backends.storage.faults.received == 5, "nothing arrived")
        async with asyncio.timeout(60):
            assert (await patch(gateway, url, 5, b"world")).status_code == 204
            assert (await dead.answer()).status == 409
    assert stored(gateway) == [b"helloworld"]


async def test_a_patch_ends_the_older_one_before_its_first_byte(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as dead, connect(gateway) as newer:
        await dead.send(patch_head(url, 0, 10) + b"hello")
        await until(lambda: gateway.backends.storage.faults.received == 5, "nothing arrived")
        await newer.send(patch_head(url, 5, 5, Connection="close"))
        async with asyncio.timeout(60):
            assert (await dead.answer()).status == 409
        await newer.send(b"world")
        assert (await newer.answer()).status == 204


async def test_a_wrong_offset_is_refused_before_the_first_byte(gateway: Running) -> None:
    url = await create(gateway, 10)
    async with connect(gateway) as connection:
        await connection.send(patch_head(url, 7, 3))
        async with asyncio.timeout(60):
            assert (await connection.answer()).status == 409


async def test_a_silent_client_is_cut_off_without_a_4xx() -> None:
    async with run_gateway(body_idle_seconds=0.5) as gateway:
        url = await create(gateway, 10)
        async with connect(gateway) as connection:
            await connection.send(patch_head(url, 0, 10) + b"hello")
            async with asyncio.timeout(60):
                assert await connection.reader.read() == b""
        assert await offset_of(gateway, url) == 5
