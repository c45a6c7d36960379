"""Repeated requests for lists: entity tags, 304, and compressed answers."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from backports import zstd

from tests.integration.gateway.harness import Running, bearer, form

FILES = "/api/v1/s3/files"


async def put(gateway: Running) -> None:
    body, headers = form(b"hello")
    reply = await gateway.client.post("/api/v1/s3/upload", content=body, headers={**headers, **bearer()})
    assert reply.status_code == 201


async def raw(gateway: Running, path: str, **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers and body as transferred."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with gateway.client.stream("GET", path, headers=named) as reply:
        return reply.status_code, reply.headers, b"".join([piece async for piece in reply.aiter_raw()])


async def test_a_list_is_sent_once(gateway: Running) -> None:
    await put(gateway)
    first = await gateway.client.get(FILES)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    for asked in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        status, headers, body = await raw(gateway, FILES, If_None_Match=asked)
        assert (status, headers["etag"], body) == (304, tag, b"")
        assert (headers["cache-control"], headers["vary"]) == (
            "private, no-cache",
            "authorization, accept-encoding",
        )
    for asked in ('"other"', "nonsense", ""):
        assert (await raw(gateway, FILES, If_None_Match=asked))[0] == 200
    await put(gateway)
    second = await gateway.client.get(FILES, headers={"If-None-Match": tag})
    assert (second.status_code, len(second.json()["files"])) == (200, 2)
    assert second.headers["etag"] != tag


async def test_pages_and_callers_have_tags_of_their_own(gateway: Running) -> None:
    await put(gateway)
    tag = (await gateway.client.get(FILES)).headers["etag"]
    assert (await raw(gateway, f"{FILES}?max_keys=0", If_None_Match=tag))[0] == 200
    assert (await raw(gateway, FILES, If_None_Match=tag, **bearer("bob")))[0] == 200


@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("br", ""), ("", "")]
)
async def test_long_answers_are_compressed_for_who_takes_that(
    gateway: Running, accepted: str, coding: str
) -> None:
    plain = (await gateway.client.get("/openapi.json", headers={"Accept-Encoding": "identity"})).content
    status, headers, body = await raw(gateway, "/openapi.json", Accept_Encoding=accepted)
    assert (status, headers.get("content-encoding", ""), headers["vary"]) == (200, coding, "accept-encoding")
    assert int(headers["content-length"]) == len(body)
    if coding:
        assert len(body) < len(plain) / 4
        body = gzip.decompress(body) if coding == "gzip" else zstd.decompress(body)
    assert json.loads(body) == json.loads(plain)


async def test_short_answers_are_not(gateway: Running) -> None:
    status, headers, body = await raw(gateway, FILES, Accept_Encoding="gzip")
    assert (status, headers.get("content-encoding")) == (200, None)
    assert json.loads(body)["files"] == []


async def test_bytes_of_files_are_not(gateway: Running) -> None:
    content = b"<p>text</p>" * 1000
    body, headers = form(content)
    sent = await gateway.client.post("/api/v1/s3/upload", content=body, headers={**headers, **bearer()})
    path = f"/api/v1/s3/file/{sent.json()['key']}"
    for asked in ({}, {"Range": "bytes=0-4999"}):
        _, found, raw_body = await raw(gateway, path, Accept_Encoding="gzip, zstd", **asked)
        assert "content-encoding" not in found
        assert raw_body == content[: len(raw_body)]


async def test_answers_that_hand_out_a_credential_are_not(gateway: Running) -> None:
    upload = {"target": {"family": "files"}, "filename": "a.bin", "size": 400 << 20, "part_count": 50}
    reply = await gateway.client.post(
        "/api/v1/uploads", json=upload, headers={"Accept-Encoding": "gzip", **bearer()}
    )
    assert (reply.status_code, reply.headers.get("content-encoding")) == (201, None)
    assert len(reply.content) > 1024


async def test_a_head_says_what_a_get_would(gateway: Running) -> None:
    head = await gateway.client.head("/openapi.json", headers={"Accept-Encoding": "gzip"})
    _, headers, body = await raw(gateway, "/openapi.json", Accept_Encoding="gzip")
    assert head.headers["content-encoding"] == headers["content-encoding"] == "gzip"
    assert int(head.headers["content-length"]) == len(body)
