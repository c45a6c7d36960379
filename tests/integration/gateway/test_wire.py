"""Allowed and refused requests on a connection: RFC 9112, and RFC 9110 section 7.8, tested with raw bytes."""

from __future__ import annotations

import asyncio
import json
import re
import sys

import pytest

from gateway.families.notifications.watch import Watch
from gateway.server.protocol import MAX_PIPELINED
from gateway.server.websocket_protocol import GuardedWebSocket
from servicekit.telemetry.logs import configure_logging
from tests.integration.gateway.harness import Running, form, run_gateway, token
from tests.integration.gateway.raw import connect, head, until

NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HANDSHAKE = f"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n{KEY}Sec-WebSocket-Version: 13\r\n"
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
GET = "GET /healthz HTTP/1.1"
UPLOAD = "POST /api/v1/s3/upload HTTP/1.1"
TYPE = "Content-Type: application/json\r\n"
SAVE = "POST /api/projects/save HTTP/1.1"
JSON = b"2\r\n{}\r\n0\r\n\r\n"


def ask(line: str = GET, more: str = "", body: bytes = b"", host: str = "Host: x\r\n") -> bytes:
    text = f"{line}\r\n{host}Authorization: Bearer {token()}\r\n{more}\r\n"
    return text.encode("latin-1") + body


async def statuses(gateway: Running, sent: bytes) -> list[int]:
    """The statuses of all responses to ``sent`` and to a GET after it."""
    async with connect(gateway) as connection:
        await connection.send(sent + (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        found = b""
        async with asyncio.timeout(60):
            try:
                while chunk := await connection.reader.read(65536):
                    found += chunk
            except ConnectionResetError:
                pass
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", found)]


async def judge(gateway: Running, cases: dict[str, tuple[bytes, list[int]]]) -> None:
    """Check the statuses of each case; the last 200 is for a request after it, if the connection
    stays open.
    """
    found = {name: await statuses(gateway, sent) for name, (sent, _) in cases.items()}
    assert found == {name: expected for name, (_, expected) in cases.items()}


async def test_heads(gateway: Running) -> None:
    await judge(
        gateway,
        {
            "plain": (ask(), [200, 200]),
            "no host": (ask(host=""), [400]),
            "two hosts": (ask(host="Host: x\r\nHost: x\r\n"), [400]),
            "host with a blank": (ask(host="Host: a b\r\n"), [400]),
            "host with a path": (ask(host="Host: a/b\r\n"), [400]),
            "host with a user": (ask(host="Host: a@b\r\n"), [400]),
            "host with a port": (ask(host="Host: a:8080\r\n"), [200, 200]),
            "host of IPv6": (ask(host="Host: [::1]:80\r\n"), [200, 200]),
            "1.0 without host": (ask("GET /healthz HTTP/1.0", host=""), [200]),
            "1.0 with two": (ask("GET /healthz HTTP/1.0", host="Host: a\r\nHost: b\r\n"), [400]),
            "version 2.0": (ask("GET /healthz HTTP/2.0"), [505]),
            "version 1.2": (ask("GET /healthz HTTP/1.2"), [400]),
            "version in lower case": (ask("GET /healthz http/1.1"), [400]),
            "absolute": (ask("GET http://other.example/healthz HTTP/1.1"), [200, 200]),
            "absolute with user": (ask("GET http://me@x/healthz HTTP/1.1"), [400]),
            "asterisk": (ask("OPTIONS * HTTP/1.1"), [204, 200]),
            "asterisk of GET": (ask("GET * HTTP/1.1"), [400]),
            "authority": (ask("GET x:80 HTTP/1.1"), [400]),
            "CONNECT": (ask("CONNECT x:80 HTTP/1.1"), [501]),
            "fragment": (ask("GET /healthz#a HTTP/1.1"), [400]),
            "blank in path": (ask("GET /a b HTTP/1.1"), [400]),
            "NUL in path": (ask("GET /a\0 HTTP/1.1"), [400]),
            "unknown method": (ask("FROB /healthz HTTP/1.1"), [501]),
            "method in lower case": (ask("get /healthz HTTP/1.1"), [501]),
            "TRACE": (ask("TRACE /healthz HTTP/1.1"), [405, 200]),
            "endless method": (b"G" * 70_000, [400]),
            "endless address": (ask("GET /" + "a" * 70_000 + " HTTP/1.1"), [431]),
            "long header": (ask(more="X: " + "a" * 70_000 + "\r\n"), [431]),
            "many headers": (ask(more="X: a\r\n" * 200), [431]),
            "folded": (ask(more="X: a\r\n b\r\n"), [400]),
            "blank before colon": (ask(more="X : a\r\n"), [400]),
            "bare CR": (ask(more="X: a\rb\r\n"), [400]),
            "bare LF": (ask(more="X: a\nY: b\r\n"), [400]),
            "NUL": (ask(more="X: a\0b\r\n"), [400]),
            "no colon": (ask(more="X\r\n"), [400]),
            "Latin-1": (ask(more="X: \xe9\r\n"), [200, 200]),
            "blank lines before": (b"\r\n\r\n" + ask(), [200, 200]),
            "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), [400]),
        },
    )


async def test_lengths(gateway: Running) -> None:
    def post(more: str, body: bytes = b"{}", line: str = SAVE) -> bytes:
        return ask(line, more, body)

    await judge(
        gateway,
        {
            "both, length first": (post(f"Content-Length: 4\r\n{CHUNKED}", b"0\r\n\r\n"), [400]),
            "both, length last": (post(f"{CHUNKED}Content-Length: 4\r\n", b"0\r\n\r\n"), [400]),
            "two alike": (post("Content-Length: 2\r\nContent-Length: 2\r\n"), [400]),
            "two that differ": (post("Content-Length: 2\r\nContent-Length: 3\r\n"), [400]),
            "a list": (post("Content-Length: 2, 2\r\n"), [400]),
            "+2": (post("Content-Length: +2\r\n"), [400]),
            "-2": (post("Content-Length: -2\r\n"), [400]),
            "0x2": (post("Content-Length: 0x2\r\n"), [400]),
            "huge": (post("Content-Length: 99999999999999999999\r\n"), [400]),
            "empty": (post("Content-Length: \r\n"), [400]),
            "gzip": (post("Transfer-Encoding: gzip\r\n"), [501]),
            "gzip, chunked": (post("Transfer-Encoding: gzip, chunked\r\n", JSON), [501]),
            "chunked, gzip": (post("Transfer-Encoding: chunked, gzip\r\n", JSON), [400]),
            "chunked twice": (post("Transfer-Encoding: chunked, chunked\r\n", JSON), [400]),
            "xchunked": (post("Transfer-Encoding: xchunked\r\n", JSON), [501]),
            "identity": (post("Transfer-Encoding: identity\r\n", b""), [501]),
            "chunked in 1.0": (post(CHUNKED, JSON, "POST /api/projects/save HTTP/1.0"), [400]),
            "Chunked": (
                post(f"Transfer-Encoding:\tChunked\r\n{TYPE}", JSON),
                [422, 200],
            ),
            "trailer": (post(CHUNKED, b"2\r\n{}\r\n0\r\nX: 1\r\n\r\n"), [422, 200]),
            "length in a trailer": (post(CHUNKED, b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"), [400]),
            "extension": (post(CHUNKED, b'2;a="b"\r\n{}\r\n0\r\n\r\n'), [422, 200]),
            "size 0x2": (post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"), [400]),
            "size +2": (post(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"), [400]),
            "size -2": (post(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"), [400]),
            "no size": (post(CHUNKED, b"\r\n{}\r\n0\r\n\r\n"), [400]),
            "size past 64 bits": (post(CHUNKED, b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"), [400]),
            "bare LF": (post(CHUNKED, b"2\n{}\n0\n\n"), [400]),
            "chunk too short": (post(CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"), [400]),
            "chunk too long": (post(CHUNKED, b"2\r\n{}0\r\n\r\n"), [400]),
            "expect in 1.0": (
                post(
                    "Content-Type: text/x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n",
                    line="POST /api/projects/save HTTP/1.0",
                ),
                [415],
            ),
        },
    )


@pytest.mark.parametrize(
    "framing",
    [
        b"2;" + b"a" * 300_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X-T: 1\r\n" * 40_000 + b"\r\n",
        b"0" * 300_000 + b"2\r\n{}\r\n0\r\n\r\n",
        b"1\r\n \r\n" * 60_000,
        b"1;a=b\r\n \r\n" * 60_000,
    ],
)
async def test_framing_without_end(gateway: Running, framing: bytes) -> None:
    async with connect(gateway) as connection:
        connection.writer.write(ask(SAVE, CHUNKED, framing))
        assert (await connection.answer()).status == 400
        assert await connection.closed()


@pytest.mark.parametrize(
    "upgrade",
    [
        H2C,
        "Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: close, upgrade\r\nUpgrade: foo\r\n",
        HANDSHAKE,
    ],
)
async def test_an_upgrade_that_is_none_is_passed_over(gateway: Running, upgrade: str) -> None:
    last = [] if "close" in upgrade else [200]
    content, headers = form(b"hi", before={"folder": "uploads"})
    upload = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    parts = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    whole = f"{upgrade}{upload}Content-Length: {len(content)}\r\n"
    await judge(
        gateway,
        {
            "form": (ask(UPLOAD, whole, content), [201, *last]),
            "chunked": (ask(UPLOAD, f"{upgrade}{upload}Transfer-Encoding: chunked\r\n", parts), [201, *last]),
            "empty": (ask("DELETE /api/v1/s3/file/none HTTP/1.1", upgrade), [404, *last]),
            "in 1.0": (ask("GET /healthz HTTP/1.0", upgrade), [200]),
        },
    )


async def test_bodies_behind_an_upgrade_in_pieces(gateway: Running) -> None:
    """However the bytes are divided, and with further upgrades after them."""
    sent = ask(SAVE, f"{H2C}Content-Type: application/json\r\nContent-Length: 2\r\n", b"{}")
    sent += ask(more=H2C) + ask(more="Connection: upgrade\r\nUpgrade: websocket\r\n")
    async with connect(gateway) as connection:
        for at in range(0, len(sent), 7):
            await connection.send(sent[at : at + 7])
        assert [(await connection.answer()).status for _ in range(3)] == [422, 200, 200]
        await connection.send(NEXT)
        assert (await connection.answer()).status == 200


async def test_a_long_body_behind_an_upgrade(gateway: Running) -> None:
    content, headers = form(bytes(3 << 20), before={"folder": "uploads"})
    more = H2C + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sent = ask("POST /api/v1/s3/upload HTTP/1.1", f"{more}Content-Length: {len(content)}\r\n", content)
    assert await statuses(gateway, sent) == [201, 200]


async def test_handshakes_that_are_none(gateway: Running) -> None:
    def shake(more: str, line: str = "GET /api/notifications/ws HTTP/1.1", body: bytes = b"") -> bytes:
        return ask(line, more, body)

    await judge(
        gateway,
        {
            "no upgrade": (shake(""), [426, 200]),
            "no key": (shake(HANDSHAKE.replace(KEY, "")), [426, 200]),
            "short key": (shake(HANDSHAKE.replace("dGhl", "")), [426, 200]),
            "two keys": (shake(HANDSHAKE + KEY), [426, 200]),
            "version 8": (shake(HANDSHAKE.replace(": 13", ": 8")), [426, 200]),
            "1.0": (shake(HANDSHAKE, "GET /api/notifications/ws HTTP/1.0"), [426]),
            "POST": (shake(HANDSHAKE, "POST /api/notifications/ws HTTP/1.1"), [405, 200]),
            "a body": (shake(f"{HANDSHAKE}Content-Length: 2\r\n", body=b"{}"), [426, 200]),
            "elsewhere": (shake(HANDSHAKE, "GET /healthz HTTP/1.1"), [404]),
            "behind another request": (ask() + shake(HANDSHAKE), [200, 426, 200]),
        },
    )


async def test_what_can_not_be_read_waits_for_the_answers_before_it(gateway: Running) -> None:
    """A completely received upload is reported as stored before the malformed bytes after it are refused."""
    content, headers = form(b"hi", before={"folder": "uploads"})
    sent = head("POST", "/api/v1/s3/upload", **headers, Content_Length=len(content)) + content
    async with connect(gateway) as connection:
        await connection.send(sent + b"garbage\r\n\r\n")
        assert [(await connection.answer()).status for _ in range(2)] == [201, 400]
        assert await connection.closed()


async def test_pipelined_requests_that_wait_are_bounded(gateway: Running) -> None:
    """Each would take memory until its answer is read."""
    few, many = MAX_PIPELINED // 2, MAX_PIPELINED + 100
    assert await statuses(gateway, ask() * few) == [200] * (few + 1)
    assert await statuses(gateway, ask() * many) == [200] * (MAX_PIPELINED + 1) + [429]


async def test_many_pipelined_heads_are_not_one_long_head(gateway: Running) -> None:
    async with connect(gateway) as connection:
        for _ in range(40):
            await connection.send(ask(more="X-Pad: " + "x" * 4000 + "\r\n") * 40)
            for _ in range(40):
                assert (await connection.answer()).status == 200


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        ("http://files.example:81/openapi.json", "http://files.example:81"),
        ("http://[::1]/openapi.json", "http://[::1]"),
        ("/openapi.json", "http://x"),
    ],
)
async def test_the_address_counts_more_than_host(gateway: Running, target: str, origin: str) -> None:
    async with connect(gateway) as connection:
        await connection.send(ask(f"GET {target} HTTP/1.1"))
        answer = await connection.answer()
    assert json.loads(answer.body)["servers"] == [{"url": origin}]


async def test_a_post_that_would_be_a_websocket_is_bounded() -> None:
    async with run_gateway(body_idle_seconds=1.0) as gateway, connect(gateway) as connection:
        more = f"{HANDSHAKE}Content-Length: 30\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        await connection.send(ask(UPLOAD, more, b"--x"))
        assert (await connection.answer()).status == 408
        assert await connection.closed()


async def test_a_handshake_that_is_not_answered_is_bounded_and_logged(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("test", "info", sys.stdout)
    monkeypatch.setattr(GuardedWebSocket, "handshake_seconds", 0.5)
    begun = asyncio.Event()

    async def never(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Watch, "begin", never)
    before = gateway.services.metrics.connections._value.get()
    try:
        async with connect(gateway) as connection:
            await connection.send(ask("GET /api/notifications/ws?ticket=secret HTTP/1.1", HANDSHAKE))
            await begun.wait()
            answer = await connection.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
            assert await connection.closed()
        log = ""

        def logged() -> bool:
            nonlocal log
            log += capsys.readouterr().out
            return '"status":499' in log

        await until(logged, "no line in the access log")
        assert '"route":"/api/notifications/ws"' in log
        assert "secret" not in log
        assert '"level":"error"' not in log
        assert gateway.services.metrics.connections._value.get() == before
    finally:
        configure_logging("test", "warning")
