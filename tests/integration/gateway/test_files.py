"""Lists, URLs, metadata, existence, deletion: golden bodies."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.integration.gateway.harness import Running, bearer, form

FILES = "/api/v1/s3/files"


async def put(gateway: Running, content: bytes = b"hello", sub: str = "alice") -> dict[str, object]:
    body, headers = form(content)
    response = await gateway.client.post(
        "/api/v1/s3/upload", content=body, headers={**headers, **bearer(sub)}
    )
    found: dict[str, object] = response.json()
    return found


async def test_metadata(gateway: Running) -> None:
    file = await put(gateway)
    body = (await gateway.client.get(f"/api/v1/s3/file/{file['key']}/metadata")).json()
    time = body.pop("last_modified")
    assert body == {name: file[name] for name in ("key", "size", "content_type", "etag", "metadata")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", time)


async def test_url(gateway: Running) -> None:
    key = (await put(gateway))["key"]
    for query, seconds in (("", 3600), ("?expires_in=1", 1), ("?expires_in=604800", 604800)):
        body = (await gateway.client.get(f"/api/v1/s3/file/{key}/url{query}")).json()
        assert body == {
            "key": key,
            "url": f"https://store.test/{key}?X-Amz-Signature=0",
            "expires_in": seconds,
        }


@pytest.mark.parametrize("value", ["0", "-1", "604801", "x", "", "1.5", "9" * 50])
async def test_url_times_that_are_refused(gateway: Running, value: str) -> None:
    key = (await put(gateway))["key"]
    response = await gateway.client.get(f"/api/v1/s3/file/{key}/url?expires_in={value}")
    assert (response.status_code, response.json()["metadata"]["field"]) == (422, "expires_in")


async def test_exists(gateway: Running) -> None:
    key = (await put(gateway))["key"]
    assert (await gateway.client.get(f"/api/v1/s3/file/{key}/exists")).json() == {
        "key": key,
        "exists": True,
    }
    response = await gateway.client.get("/api/v1/s3/file/uploads/alice/none/exists")
    assert (response.status_code, response.json()) == (200, {"key": "uploads/alice/none", "exists": False})


async def test_delete(gateway: Running) -> None:
    key = (await put(gateway))["key"]
    path = f"/api/v1/s3/file/{quote(str(key), safe='')}"
    response = await gateway.client.delete(path)
    assert (response.status_code, response.json()) == (200, {"key": key, "deleted": True})
    again = await gateway.client.delete(path)
    assert (again.status_code, again.json()["code"]) == (404, "FILE_NOT_FOUND")


async def test_delete_only_if_it_is_still_the_same(gateway: Running) -> None:
    file = await put(gateway)
    path = f"/api/v1/s3/file/{file['key']}"
    response = await gateway.client.delete(path, headers={"If-Match": '"other"'})
    assert (response.status_code, response.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert (await gateway.client.delete(path, headers={"If-Match": f'"{file["etag"]}"'})).status_code == 200


async def test_list(gateway: Running) -> None:
    assert (await gateway.client.get(FILES)).json() == {
        "files": [],
        "is_truncated": False,
        "next_continuation_token": None,
        "next_page_token": None,
    }
    files = [await put(gateway, bytes(n)) for n in range(5)]
    body = (await gateway.client.get(FILES)).json()
    assert [file["key"] for file in body["files"]] == sorted(str(file["key"]) for file in files)
    assert all(
        set(file) == {"key", "size", "content_type", "etag", "last_modified"} for file in body["files"]
    )
    assert body["is_truncated"] is False


@pytest.mark.parametrize("name", ["continuation_token", "page_token"])
async def test_pages_are_stable_while_files_are_added(gateway: Running, name: str) -> None:
    keys = {(await put(gateway))["key"] for _ in range(7)}
    seen, token = [], ""
    while True:
        body = (
            await gateway.client.get(FILES, params={"max_keys": 2, name: token, "prefix": "uploads/"})
        ).json()
        seen += [file["key"] for file in body["files"]]
        assert body["is_truncated"] == (body["next_continuation_token"] is not None)
        assert body["next_page_token"] == body["next_continuation_token"]
        if not body["is_truncated"]:
            break
        token = body["next_page_token"]
        await put(gateway)
    assert len(seen) == len(set(seen))
    assert keys <= set(seen)


@pytest.mark.parametrize(
    ("value", "count"), [("1", 1), ("3", 3), ("1000", 3), ("5000", 3), ("9" * 40, 3), ("0", 0)]
)
async def test_max_keys(gateway: Running, value: str, count: int) -> None:
    for _ in range(3):
        await put(gateway)
    response = await gateway.client.get(f"{FILES}?max_keys={value}")
    assert (response.status_code, len(response.json()["files"])) == (200, count)


@pytest.mark.parametrize("value", ["-1", "x", "%20", "1.5", "-" + "9" * 40])
async def test_max_keys_that_are_refused(gateway: Running, value: str) -> None:
    response = await gateway.client.get(f"{FILES}?max_keys={value}")
    assert (response.status_code, response.json()["metadata"]["field"]) == (422, "max_keys")


async def test_tokens_that_are_not_ours(gateway: Running) -> None:
    response = await gateway.client.get(f"{FILES}?continuation_token=Zm9v")
    assert (response.status_code, response.json()["code"]) == (422, "INVALID_PAGE_TOKEN")
    response = await gateway.client.get(f"{FILES}?continuation_token=a&page_token=b")
    assert (response.status_code, response.json()["code"]) == (422, "INVALID_FIELD")


async def test_prefix(gateway: Running) -> None:
    await put(gateway)
    for prefix, count in (("uploads/alice/", 1), ("uploads/b", 0), ("UPLOADS", 0)):
        assert len((await gateway.client.get(FILES, params={"prefix": prefix})).json()["files"]) == count
    too_long = await gateway.client.get(FILES, params={"prefix": "x" * 1025})
    assert (too_long.status_code, too_long.json()["metadata"]["field"]) == (422, "prefix")


async def test_keys_that_can_not_be(gateway: Running) -> None:
    for suffix in ("", "/metadata", "/url", "/exists"):
        response = await gateway.client.get(f"/api/v1/s3/file/{'k' * 1025}{suffix}")
        assert (response.status_code, response.json()["metadata"]["field"]) == (422, "key")
    assert (await gateway.client.get("/api/v1/s3/file/a%ff")).status_code == 400
