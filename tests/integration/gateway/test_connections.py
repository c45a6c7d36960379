"""Idle connections of one address don't lock out others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.integration.gateway.harness import Running, form, run_gateway
from tests.integration.gateway.raw import Connection, connect, head, until

LIST = head("GET", "/api/v1/s3/files")


@contextlib.asynccontextmanager
async def connections(
    gateway: Running, count: int, source: str = "127.0.0.1"
) -> AsyncIterator[list[Connection]]:
    """Connections of one address that have sent nothing yet."""
    made = [
        Connection(*await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(source, 0)))
        for _ in range(count)
    ]
    try:
        yield made
    finally:
        for one in made:
            one.leave()


async def status(connection: Connection) -> int:
    await connection.send(LIST)
    return (await connection.answer()).status


async def test_idle_ones_go_first_when_all_places_are_taken() -> None:
    async with (
        run_gateway(max_connections=12) as gateway,
        connections(gateway, 1) as kept,
        connections(gateway, 30, "127.0.0.2") as idle,
    ):
        assert await status(kept[0]) == 200
        for _ in range(5):
            async with connections(gateway, 2, "127.0.0.3") as others:
                assert [await status(one) for one in others] == [200, 200]
        assert await status(kept[0]) == 200  # an address with one connection loses none
        assert await idle[0].closed()


async def test_so_do_those_between_two_requests_and_those_that_drip_a_head() -> None:
    async with (
        run_gateway(max_connections=6) as gateway,
        connections(gateway, 3, "127.0.0.2") as between,
        connections(gateway, 3, "127.0.0.2") as dripping,
    ):
        for one in between:
            assert await status(one) == 200
        for one in dripping:
            await one.send(b"GET / HT")
        async with connections(gateway, 3, "127.0.0.3") as others:
            assert [await status(one) for one in others] == [200] * 3


async def test_one_address_has_no_more_than_its_part() -> None:
    body, headers = form(bytes(1000), before={"folder": "uploads"})
    begin = head("POST", "/api/v1/s3/upload", **headers, Content_Length=len(body)) + body[:100]
    async with run_gateway(address_connections=3) as gateway, connections(gateway, 3, "127.0.0.2") as busy:
        for one in busy:
            await one.send(begin)
        await until(lambda: gateway.services.metrics.running == 3, "the uploads did not begin")
        async with connections(gateway, 1, "127.0.0.2") as refused:
            answer = await refused[0].answer()
            assert (answer.status, answer.problem["code"]) == (429, "RATE_LIMITED")
            assert answer.headers["retry-after"] == "1"
        async with connect(gateway) as other:
            assert await status(other) == 200
        busy[0].leave()
        await until(lambda: gateway.services.metrics.running == 2, "the upload goes on")
        async with connections(gateway, 3, "127.0.0.2") as more:  # two of the three evict an idle one
            assert await status(more[-1]) == 200


async def test_proxies_that_are_trusted_have_as_many_as_they_need() -> None:
    async with (
        run_gateway(address_connections=2, trusted_proxies="127.0.0.2") as gateway,
        connections(gateway, 10, "127.0.0.2") as many,
    ):
        assert [await status(one) for one in many] == [200] * 10


async def test_when_all_are_at_work_the_answer_is_503() -> None:
    body, headers = form(bytes(1000), before={"folder": "uploads"})
    begin = head("POST", "/api/v1/s3/upload", **headers, Content_Length=len(body)) + body[:100]
    async with run_gateway(max_connections=3) as gateway, connections(gateway, 3, "127.0.0.2") as busy:
        for one in busy:
            await one.send(begin)
        await until(lambda: gateway.services.metrics.running == 3, "the uploads did not begin")
        async with connect(gateway) as other:
            answer = await other.answer()
        assert (answer.status, answer.problem["code"]) == (503, "OVERLOADED")
