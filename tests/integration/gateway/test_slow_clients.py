"""Slow or greedy clients can't keep their connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.telemetry.logs import configure_logging
from tests.integration.gateway.harness import form, run_gateway
from tests.integration.gateway.raw import Connection, connect, head, until

UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


async def drip(connection: Connection, data: bytes, pause: float) -> None:
    """Send byte by byte until the gateway closes the connection."""
    for value in data:
        if connection.reader.at_eof() or connection.writer.is_closing():
            return
        connection.writer.write(bytes([value]))
        await asyncio.sleep(pause)


async def test_a_connection_without_a_request() -> None:
    async with run_gateway(header_seconds=0.5) as gateway, connect(gateway) as connection:
        answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (408, "DEADLINE_EXCEEDED")
        assert await connection.closed()


async def test_dripping_headers() -> None:
    async with run_gateway(header_seconds=1.0) as gateway, connect(gateway) as connection:
        dripping = asyncio.create_task(drip(connection, head("GET", "/healthz", X="y" * 500), 0.05))
        assert (await connection.answer()).status == 408
        dripping.cancel()


async def test_dripping_the_second_request_of_a_connection() -> None:
    async with (
        run_gateway(header_seconds=1.0, keep_alive_seconds=60) as gateway,
        connect(gateway) as connection,
    ):
        await connection.send(head("GET", "/healthz"))
        assert (await connection.answer()).status == 200
        dripping = asyncio.create_task(drip(connection, head("GET", "/healthz", X="y" * 500), 0.05))
        assert (await connection.answer()).status == 408
        dripping.cancel()


async def test_idle_connections_are_closed() -> None:
    async with run_gateway(keep_alive_seconds=1) as gateway, connect(gateway) as connection:
        await connection.send(head("GET", "/healthz"))
        assert (await connection.answer()).status == 200
        assert await connection.closed()


async def test_a_body_that_stops() -> None:
    body, headers = form(bytes(4 * MIB), before={"folder": "uploads"})
    async with run_gateway(body_idle_seconds=1.0) as gateway, connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body[: 2 * MIB])
        answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (408, "DEADLINE_EXCEEDED")
        faults = gateway.backends.storage.faults
        await until(lambda: faults.ended_early == 1, "the upload goes on")
        assert gateway.backends.store.files == {}


async def test_a_dripping_body() -> None:
    body, headers = form(b"x" * 5000)
    async with (
        run_gateway(body_rate_window=2.0, min_body_rate=1000) as gateway,
        connect(gateway) as connection,
    ):
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)))
        dripping = asyncio.create_task(drip(connection, body, 0.02))
        assert (await connection.answer()).status == 408
        dripping.cancel()


async def test_a_slow_but_steady_body_is_fine() -> None:
    body, headers = form(b"x" * 3000)
    async with (
        run_gateway(body_rate_window=2.5, min_body_rate=100, body_idle_seconds=2.5) as gateway,
        connect(gateway) as connection,
    ):
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)))
        for start in range(0, len(body), 200):
            await connection.send(body[start : start + 200])
            await asyncio.sleep(0.2)
        assert (await connection.answer()).status == 201


async def test_time_in_which_the_store_is_slow_is_not_the_clients() -> None:
    body, headers = form(bytes(8 * MIB), before={"folder": "uploads"})
    async with (
        run_gateway(body_idle_seconds=0.5, body_rate_window=0.5) as gateway,
        connect(gateway) as connection,
    ):
        gateway.backends.storage.faults.gate.clear()
        connection.writer.write(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body)
        await asyncio.sleep(4)
        gateway.backends.storage.faults.gate.set()
        assert (await connection.answer()).status == 201


async def test_an_answer_that_nobody_reads() -> None:
    async with run_gateway(send_idle_seconds=1.0) as gateway:
        body, headers = form(os.urandom(48 * MIB), before={"folder": "uploads"})
        key = (await gateway.client.post(UPLOAD, content=body, headers=headers)).json()["key"]
        async with connect(gateway) as connection:
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's, on TCP
            await connection.send(head("GET", f"/api/v1/s3/file/{key}"))
            faults = gateway.backends.storage.faults
            await until(lambda: faults.ended_early == 1, "the download goes on")


async def test_downloads_that_nobody_reads_leave_the_others_alone() -> None:
    async with run_gateway(max_concurrent_streams=4) as gateway, contextlib.AsyncExitStack() as stack:
        body, headers = form(bytes(16 * MIB), before={"folder": "uploads"})
        key = (await gateway.client.post(UPLOAD, content=body, headers=headers)).json()["key"]
        faults = gateway.backends.storage.faults
        for _ in range(12):
            connection = await stack.enter_async_context(connect(gateway))
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's, on TCP
            await connection.send(head("GET", f"/api/v1/s3/file/{key}"))
        await until(lambda: faults.open_streams == 12, "downloads wait for one another")
        url = f"/api/v1/s3/file/{key}"
        ranged = await gateway.client.get(url, headers={"Range": "bytes=0-9"})
        assert (ranged.status_code, len(ranged.content)) == (206, 10)
        assert (await gateway.client.get(url + "/url")).status_code == 200
        small, headers = form(b"small", before={"folder": "uploads"})
        assert (await gateway.client.post(UPLOAD, content=small, headers=headers)).status_code == 201
        assert faults.open_streams == 12


async def test_heads_that_are_too_large() -> None:
    async with run_gateway(max_header_bytes=8192) as gateway:
        for request in (
            head("GET", "/healthz", X="y" * 9000),
            head("GET", "/healthz?" + "q" * 9000),
            head("GET", "/healthz", **{f"H{n}": "v" for n in range(150)}),
            b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 9000,
        ):
            async with connect(gateway) as connection:
                await connection.send(request)
                answer = await connection.answer()
                assert (answer.status, answer.problem["code"]) == (431, "MALFORMED_REQUEST")


@pytest.fixture
def loud(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Log ordinary requests, too."""
    configure_logging("test", "info")
    yield capsys
    configure_logging("test", "warning")


async def test_what_is_no_http(loud: pytest.CaptureFixture[str]) -> None:
    async with run_gateway() as gateway:
        for request in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
            b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            async with connect(gateway) as connection:
                await connection.send(request)
                answer = await connection.answer()
                assert (answer.status, answer.problem["code"]) == (400, "MALFORMED_REQUEST"), request
                (line,) = logged(loud, answer.problem["request_id"])
                assert (line["event"], line["status"], line["reason"]) == (
                    "request",
                    400,
                    "MALFORMED_REQUEST",
                )
                assert line["client"] == "127.0.0.1"
        told = gateway.services.metrics.render().decode()
        assert 'http_requests_total{method="other",route="(none)",status="400"} 6.0' in told


@pytest.mark.parametrize(
    ("framing", "sent", "status", "reason"),
    [
        ({"Content_Length": "4096"}, b"--x", 408, "DEADLINE_EXCEEDED"),
        ({"Transfer_Encoding": "chunked"}, b"no size\r\n", 400, "MALFORMED_REQUEST"),
    ],
    ids=["too slow", "no chunk"],
)
async def test_a_body_that_is_cut_is_one_line(
    framing: dict[str, str], sent: bytes, status: int, reason: str, loud: pytest.CaptureFixture[str]
) -> None:
    headers = {"Content_Type": "multipart/form-data; boundary=x", "X_Request_Id": "cut-1", **framing}
    async with run_gateway(body_idle_seconds=0.5) as gateway, connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers))
        await until(lambda: gateway.services.metrics.running == 1, "it is not begun")
        await connection.send(sent)
        answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (status, reason)
        assert answer.problem["request_id"] == "cut-1"
        await until(lambda: gateway.services.metrics.running == 0, "it goes on")
        lines = [json.loads(line) for line in loud.readouterr().err.splitlines() if UPLOAD in line]
        told = gateway.services.metrics.render().decode()
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["status"], line["reason"], line["request_id"]) == (status, reason, "cut-1")
    assert f'http_requests_total{{method="POST",route="{UPLOAD}",status="{status}"}} 1.0' in told
    assert 'status="499"' not in told
    assert 'method="other"' not in told


def logged(capsys: pytest.CaptureFixture[str], request_id: str) -> list[dict[str, Any]]:
    """The log lines of one request."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if request_id in line]


async def test_pipelined_requests_are_answered_in_order() -> None:
    body, headers = form(b"piped")
    upload = head("POST", UPLOAD, **headers, Content_Length=len(body)) + body
    async with run_gateway() as gateway, connect(gateway) as connection:
        await connection.send(head("GET", "/healthz") + upload + head("GET", "/nowhere") + upload)
        assert [(await connection.answer()).status for _ in range(4)] == [200, 201, 404, 201]


async def test_trailers_are_no_headers() -> None:
    body, headers = form(b"x")
    async with run_gateway() as gateway, connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Transfer_Encoding="chunked"))
        await connection.send(b"%x\r\n" % len(body) + body + b"\r\n0\r\nIdempotency-Key: late\r\n\r\n")
        assert (await connection.answer()).status == 201
        assert gateway.backends.store.answers == {}
