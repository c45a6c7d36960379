"""Caps and rates at the gateway: exactly the surplus gets 429, others are not affected, ended requests
release.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.upstream.call import Call
from tests.integration.gateway.harness import Running, bearer, form, run_gateway
from tests.integration.gateway.raw import Connection, connect, head, until

UPLOAD = "/api/v1/s3/upload"
LIST = "/api/v1/s3/files"
MIB = 1024 * 1024


def assert_limited(answer: httpx.Response, limit: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], body["metadata"]) == (429, "RATE_LIMITED", {"limit": limit})
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1


async def statuses(gateway: Running, times: int, path: str = LIST, **headers: str) -> list[int]:
    return [(await gateway.client.get(path, headers=headers)).status_code for _ in range(times)]


async def test_requests_of_one_user() -> None:
    async with run_gateway(user_requests_per_second=0.01, user_requests_burst=4) as gateway:
        assert await statuses(gateway, 7) == [200] * 4 + [429] * 3
        assert_limited(await gateway.client.get(LIST), "user_requests")
        assert await statuses(gateway, 2, **bearer("bob")) == [200] * 2
        assert await statuses(gateway, 2, "/healthz") == [200] * 2
        metrics = (await gateway.client.get("/metrics")).text
    assert 'limit_refusals_total{limit="user_requests"} 4.0' in metrics


async def test_a_share_while_others_are_active() -> None:
    async with run_gateway(user_share_per_second=0.2, user_share_burst=3) as gateway:
        assert await statuses(gateway, 12) == [200] * 12
        assert await statuses(gateway, 1, **bearer("bob")) == [200]
        assert await statuses(gateway, 5) == [200] * 3 + [429] * 2
        assert await statuses(gateway, 2, **bearer("bob")) == [200] * 2


async def test_retry_after_is_true() -> None:
    async with run_gateway(user_requests_per_second=0.25, user_requests_burst=1) as gateway:
        assert await statuses(gateway, 2) == [200, 429]
        answer = await gateway.client.get(LIST)
        await asyncio.sleep(int(answer.headers["retry-after"]))
        assert await statuses(gateway, 1) == [200]


BAD_TOKENS = {
    "nonsense": "Bearer nonsense",
    "another key": bearer()["Authorization"][:-8] + "AAAAAAAA",
    "expired": bearer(exp=1_000_000_000, iat=999_999_000)["Authorization"],
    "no exp": bearer(exp=None)["Authorization"],
    "basic": "Basic YWxpY2U6eA==",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_failed_sign_ins_of_an_address(kind: str) -> None:
    bad = {"authorization": BAD_TOKENS[kind]}
    async with run_gateway(failed_sign_ins_per_minute=4, trusted_proxies="127.0.0.1") as gateway:
        assert await statuses(gateway, 5, **bad) == [401] * 3 + [429] * 2
        assert_limited(await gateway.client.get(LIST, headers=bad), "failed_sign_ins")
        assert await statuses(gateway, 1) == [200]  # a caller with a valid token is still admitted
        elsewhere = bad | {"x-forwarded-for": "198.51.100.1"}
        assert await statuses(gateway, 1, **elsewhere) == [401]


async def test_addresses_of_one_subscriber_are_one() -> None:
    async with run_gateway(failed_sign_ins_per_minute=3, trusted_proxies="127.0.0.0/8") as gateway:
        found = []
        for last in range(4):
            headers = {"authorization": "Bearer x", "x-forwarded-for": f"2001:db8:1:2::{last}"}
            found += await statuses(gateway, 1, **headers)
        other = {"authorization": "Bearer x", "x-forwarded-for": "2001:db8:1:3::1"}
        assert (found, await statuses(gateway, 1, **other)) == ([401, 401, 429, 429], [401])


async def test_an_untrusted_peer_cannot_name_another_address() -> None:
    async with run_gateway(failed_sign_ins_per_minute=3) as gateway:
        found = [
            (await statuses(gateway, 1, authorization="Bearer x", **{"x-forwarded-for": f"198.51.100.{n}"}))[
                0
            ]
            for n in range(4)
        ]
        assert found == [401, 401, 429, 429]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/docs", 200), ("/openapi.json", 200), ("/nowhere", 404), (LIST, 401), ("/api/preview/x/", 401)],
)
async def test_requests_without_a_sign_in(path: str, status: int) -> None:
    limits: Any = {"address_requests_per_second": 0.01, "address_requests_burst": 3}
    async with run_gateway(**limits) as gateway:
        del gateway.client.headers["authorization"]
        found = await statuses(gateway, 5, path)
        assert found[3:] == [429] * 2
        if status != 401 or path == LIST:
            assert found[:3] == [status] * 3
        assert_limited(await gateway.client.get(path), "address_requests")
        for probe in ("/healthz", "/metrics"):
            assert await statuses(gateway, 5, probe) == [200] * 5
        assert await statuses(gateway, 2, LIST, **bearer()) == [200] * 2


async def begin_upload(connection: Connection, sub: str = "alice") -> None:
    body, headers = form(bytes(4 * MIB), before={"folder": "uploads"})
    await connection.send(
        head("POST", UPLOAD, sub=sub, **headers, Content_Length=len(body)) + body[: 2 * MIB]
    )


TRANSFERS = {
    "form": ("POST", UPLOAD, {"content-type": "multipart/form-data; boundary=x"}),
    "tus": (
        "PATCH",
        "/files/x",
        {"tus-resumable": "1.0.0", "content-type": "application/offset+octet-stream"},
    ),
    "tus creation": ("POST", "/files", {"tus-resumable": "1.0.0", "upload-length": "5"}),
    "save": ("POST", "/api/projects/save", {"content-type": "application/json"}),
    "archive in": ("POST", "/api/projects/x/archive", {}),
    "archive out": ("GET", "/api/projects/x/archive", {}),
    "download": ("GET", "/api/v1/s3/file/uploads/x.txt", {}),
    "content": ("GET", "/api/generations/x/content", {}),
    "media": ("POST", "/api/v1/events/x/media", {}),
    "picture": ("PUT", "/api/v1/users/me/profile-picture", {}),
    "temp": ("POST", "/api/v1/temp", {}),
}


async def test_transfers_of_one_user_over_every_route() -> None:
    async with run_gateway(user_transfers=2) as gateway:
        faults = gateway.backends.storage.faults
        async with connect(gateway) as one, connect(gateway) as other:
            for connection in (one, other):
                await begin_upload(connection)
            await until(lambda: faults.open_streams == 2, "the uploads did not begin")
            for method, path, headers in TRANSFERS.values():
                content = b"x" * 300_000 if method != "GET" else None
                answer = await gateway.client.request(method, path, headers=headers, content=content)
                if path == "/files/x":  # a tus client would forget its upload on a 4xx
                    assert (answer.status_code, answer.json()["code"]) == (503, "OVERLOADED")
                    assert int(answer.headers["retry-after"]) >= 1
                else:
                    assert_limited(answer, "user_transfers")
            body, headers = form(b"content", before={"folder": "uploads"})
            fine = await gateway.client.post(UPLOAD, content=body, headers={**headers, **bearer("bob")})
            assert fine.status_code == 201
            assert await statuses(gateway, 3) == [200] * 3  # small calls don't count
        await until(lambda: faults.open_streams == 0, "the uploads go on")
        for _ in range(3):
            answer = await gateway.client.post(UPLOAD, content=body, headers=headers)
            assert answer.status_code == 201


async def test_a_refused_body_is_not_waited_for() -> None:
    async with run_gateway(user_requests_per_second=0.01, user_requests_burst=1) as gateway:
        assert await statuses(gateway, 1) == [200]
        body, headers = form(bytes(8 * MIB))
        async with connect(gateway) as connection:
            await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body[:1000])
            answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (429, "RATE_LIMITED")
        assert gateway.backends.storage.faults.received == 0


class SilentWatch:
    """Stays open until it is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    @classmethod
    async def begin(cls, call: Call, token: str) -> SilentWatch:
        watch = cls()
        call.client.add(watch.close)
        return watch

    async def __aiter__(self) -> AsyncIterator[Any]:
        events: list[Any] = []
        await self.closed.wait()
        for event in events:
            yield event

    def close(self) -> None:
        self.closed.set()


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_watches_of_one_user_by_both_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.families.notifications.routes.Watch", SilentWatch)
    monkeypatch.setattr("gateway.families.notifications.websocket.Watch", SilentWatch)
    events, socket = head("GET", "/api/notifications"), head("GET", "/api/notifications/ws", **WEBSOCKET)
    async with run_gateway(user_watches=2) as gateway, connect(gateway) as one, connect(gateway) as other:
        await one.send(events)
        assert b" 200 " in await one.reader.readuntil(b"\n\n")
        await other.send(socket)
        assert b" 101 " in await other.reader.readuntil(b"\r\n\r\n")
        for request in (events, socket):
            async with connect(gateway) as third:
                await third.send(request)
                answer = await third.answer()
                assert (answer.status, answer.problem["metadata"]["limit"]) == (429, "user_watches")
                assert int(answer.headers["retry-after"]) >= 1
        async with connect(gateway) as bobs:
            await bobs.send(head("GET", "/api/notifications", sub="bob"))
            assert b" 200 " in await bobs.reader.readuntil(b"\n\n")
        for connection in (one, other):
            connection.leave()
            await until_admitted(gateway, socket)


async def until_admitted(gateway: Running, request: bytes) -> None:
    """A released permit is available within a moment, and only once."""
    async with asyncio.timeout(60):
        while True:
            async with connect(gateway) as connection:
                await connection.send(request)
                if b" 101 " in await connection.reader.readuntil(b"\r\n\r\n"):
                    return
            await asyncio.sleep(0.05)
