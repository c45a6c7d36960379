"""GET and HEAD of a file's bytes."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import pytest

from strongroom.errors import ObjectLost, ObjectStoreUnavailable
from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import connect, head

MIB = 1024 * 1024
CONTENT = os.urandom(3 * MIB + 5)
SIZE = len(CONTENT)


@pytest.fixture
async def path(gateway: Running) -> str:
    return await put(gateway, CONTENT)


async def put(gateway: Running, content: bytes, **arguments: Any) -> str:
    body, headers = form(content, **arguments)
    response = await gateway.client.post("/api/v1/s3/upload", content=body, headers=headers)
    return f"/api/v1/s3/file/{response.json()['key']}"


async def get(gateway: Running, path: str, **headers: str) -> httpx.Response:
    return await gateway.client.get(path, headers={n.replace("_", "-"): v for n, v in headers.items()})


async def test_the_whole_file(gateway: Running, path: str) -> None:
    response = await get(gateway, path)
    assert (response.status_code, response.content) == (200, CONTENT)
    headers = response.headers
    assert headers["content-length"] == str(SIZE)
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"].strip('"')
    assert headers["last-modified"].endswith("GMT")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-cache"
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-1048580", 5, 1048580),
        (f"bytes={SIZE - 3}-", SIZE - 3, SIZE - 1),
        ("bytes=-7", SIZE - 7, SIZE - 1),
        (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
        (f"bytes=10-{SIZE * 9}", 10, SIZE - 1),
        (f"bytes=0-{'9' * 60}", 0, SIZE - 1),
    ],
)
async def test_one_range(gateway: Running, path: str, wanted: str, first: int, last: int) -> None:
    response = await get(gateway, path, Range=wanted)
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["content-length"] == str(last - first + 1)
    assert response.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("wanted", ["bytes=0-1,3-4", "bytes=9-1", "items=0-1", "bytes=x"])
async def test_ranges_that_are_ignored(gateway: Running, path: str, wanted: str) -> None:
    response = await get(gateway, path, Range=wanted)
    assert (response.status_code, len(response.content)) == (200, SIZE)


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={'9' * 60}-", "bytes=-0"])
async def test_ranges_without_a_byte(gateway: Running, path: str, wanted: str) -> None:
    response = await get(gateway, path, Range=wanted)
    assert (response.status_code, response.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert response.headers["content-range"] == f"bytes */{SIZE}"


async def test_an_empty_file(gateway: Running) -> None:
    path = await put(gateway, b"")
    response = await get(gateway, path)
    assert (response.status_code, response.headers["content-length"]) == (200, "0")
    assert (await get(gateway, path, Range="bytes=0-")).status_code in {200, 416}
    assert (await get(gateway, path, Range="bytes=0-0")).status_code == 416


async def test_head(gateway: Running, path: str) -> None:
    full = await get(gateway, path)
    response = await gateway.client.head(path, headers={"Range": "bytes=0-4"})
    assert (response.status_code, response.content) == (200, b"")
    ours = {name: value for name, value in response.headers.items() if name not in {"date", "x-request-id"}}
    assert ours == {
        name: value for name, value in full.headers.items() if name not in {"date", "x-request-id"}
    }
    async with connect(gateway) as connection:
        await connection.send(head("HEAD", path) + head("GET", "/healthz"))
        await connection.reader.readuntil(b"\r\n\r\n")
        assert json.loads((await connection.answer()).body)["status"] == "ok"


async def test_conditions(gateway: Running, path: str) -> None:
    response = await get(gateway, path)
    etag, modified = response.headers["etag"], response.headers["last-modified"]
    for headers in ({"If_None_Match": etag}, {"If_None_Match": f"W/{etag}"}, {"If_Modified_Since": modified}):
        fresh = await get(gateway, path, **headers)
        assert (fresh.status_code, fresh.content) == (304, b"")
        assert fresh.headers["etag"] == etag
        assert "content-length" not in fresh.headers
    assert (await gateway.client.head(path, headers={"If-None-Match": etag})).status_code == 304
    assert (await get(gateway, path, If_None_Match='"other"')).status_code == 200
    assert (await get(gateway, path, If_Match=etag)).status_code == 200
    failed = await get(gateway, path, If_Match='"other"')
    assert (failed.status_code, failed.json()["code"]) == (412, "PRECONDITION_FAILED")


async def test_if_range(gateway: Running, path: str) -> None:
    response = await get(gateway, path)
    etag, modified = response.headers["etag"], response.headers["last-modified"]
    assert (await get(gateway, path, Range="bytes=0-4", If_Range=etag)).status_code == 206
    for bad in (modified, '"other"', f"W/{etag}", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"):
        whole = await get(gateway, path, Range="bytes=0-4", If_Range=bad)
        assert (whole.status_code, len(whole.content)) == (200, SIZE)


@pytest.mark.parametrize(
    ("content_type", "disposition", "sandboxed"),
    [
        ("image/png", "inline", False),
        ("application/pdf", "inline", False),
        ("text/html", "attachment", True),
        ("image/svg+xml", "attachment", True),
        ("application/octet-stream", "attachment", True),
    ],
)
async def test_what_a_browser_may_do_with_it(
    gateway: Running, content_type: str, disposition: str, sandboxed: bool
) -> None:
    path = await put(gateway, b"<b>x</b>", filename="Grüße.x", content_type=content_type)
    headers = (await get(gateway, path)).headers
    assert headers["content-type"] == content_type
    assert (
        headers["content-disposition"]
        == f"{disposition}; filename=\"Gru_e.x\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.x"
    )
    assert ("sandbox" in headers.get("content-security-policy", "")) == sandboxed


async def test_keys_arrive_plain_or_encoded(gateway: Running, path: str) -> None:
    key = path.removeprefix("/api/v1/s3/file/")
    for written in (key, key.replace("/", "%2F"), key.replace("/", "%2f", 1)):
        for suffix in ("", "/metadata", "/url", "/exists"):
            response = await gateway.client.get(f"/api/v1/s3/file/{written}{suffix}")
            assert response.status_code == 200, (written, suffix)


async def test_a_store_that_fails_before_the_first_byte(gateway: Running, path: str) -> None:
    gateway.backends.storage.faults.error = ObjectLost("The object is gone.")
    gateway.backends.storage.faults.fail_after = 0
    async with connect(gateway) as connection:
        await connection.send(head("GET", path))
        raw = await connection.reader.readuntil(b"\r\n\r\n")
        assert raw.startswith((b"HTTP/1.1 200", b"HTTP/1.1 500"))
        assert await connection.closed() or b" 500 " in raw


async def test_a_store_that_fails_in_the_middle_breaks_the_answer_off(gateway: Running, path: str) -> None:
    gateway.backends.storage.faults.error = ObjectStoreUnavailable("gone")
    gateway.backends.storage.faults.fail_after = MIB
    with pytest.raises(httpx.RemoteProtocolError):
        await get(gateway, path)


async def test_not_found(gateway: Running) -> None:
    for method in ("GET", "DELETE"):
        response = await gateway.client.request(method, "/api/v1/s3/file/uploads/alice/none.bin")
        assert (response.status_code, response.json()["code"]) == (404, "FILE_NOT_FOUND")
    assert (await gateway.client.head("/api/v1/s3/file/uploads/alice/none.bin")).status_code == 404
