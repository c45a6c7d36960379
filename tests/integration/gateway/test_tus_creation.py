"""POST /files: creation, its lengths, metadata, addresses, first bytes, and concatenated uploads."""

from __future__ import annotations

import base64
import hashlib
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from strongroom.metadata.v1.target_pb2 import UploadTarget
from tests.integration.gateway.harness import Running, run_gateway
from tests.integration.gateway.tus_calls import BYTES, TUS, create, head, metadata, patch, stored

EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"


async def test_created_at_a_relative_address_with_an_end(gateway: Running) -> None:
    reply = await gateway.client.post("/files/", headers={**TUS, "Upload-Length": "3"})
    assert reply.status_code == 201
    assert reply.headers["location"].startswith("/files/")
    assert reply.headers["upload-expires"].endswith("GMT")
    assert parsedate_to_datetime(reply.headers["upload-expires"]).year >= 2024
    assert (await head(gateway, reply.headers["location"])).headers["upload-offset"] == "0"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "3", "Upload-Defer-Length": "1"}, 400),
        ({"Upload-Defer-Length": "2"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "3.5"}, 400),
        ({"Upload-Length": "three"}, 400),
        ({"Upload-Length": "6"}, 413),
        ({"Upload-Length": "9" * 30}, 413),
        ({"Upload-Length": "3", "Upload-Concat": "other"}, 400),
        ({"Upload-Concat": "final;"}, 400),
        ({"Upload-Concat": "final; https://elsewhere.test/x"}, 400),
    ],
)
async def test_refused_creations(gateway: Running, headers: dict[str, str], status: int) -> None:
    gateway.backends.store.limit = 5
    reply = await gateway.client.post("/files", headers={**TUS, **headers})
    assert reply.status_code == status, reply.text
    assert "location" not in reply.headers
    assert gateway.backends.storage.sessions == {}


async def test_zero_bytes_are_complete_at_once(gateway: Running) -> None:
    url = await create(gateway, 0)
    assert stored(gateway) == [b""]
    found = (await head(gateway, url)).headers
    assert (found["upload-offset"], found["upload-length"]) == ("0", "0")


@pytest.mark.parametrize(
    "wrong",
    ["filename !", "a Zm9v,a Zm9v", "a Zm9v,,b Zm9v", "a Zm9v Zm9v", "k\u00e9y Zm9v", "a Zm9v,"],
)
async def test_malformed_metadata_is_refused(gateway: Running, wrong: str) -> None:
    headers = {
        b"Tus-Resumable": b"1.0.0",
        b"Upload-Length": b"1",
        b"Upload-Metadata": wrong.encode(),
    }
    reply = await gateway.client.post("/files", headers=headers)
    assert reply.status_code == 400, reply.text
    assert gateway.backends.storage.sessions == {}


async def test_metadata_comes_back_as_sent(gateway: Running) -> None:
    sent = f"{metadata(filename='kätzchen.png', filetype='image/png')},empty,  relativePath bnVsbA==,raw /w=="
    url = await create(gateway, 3, **{"Upload-Metadata": sent})
    assert (await head(gateway, url)).headers["upload-metadata"] == sent
    await patch(gateway, url, 0, b"abc")
    assert (await head(gateway, url)).headers["upload-metadata"] == sent
    ((file, data),) = gateway.backends.store.of("alice")
    assert (file.filename, file.content_type, data) == ("kätzchen.png", "image/png", b"abc")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({}, {"file": {"folder": "FILE_FOLDER_UPLOADS"}}),
        (
            {"family": "files", "folder": "audio", "class_id": "c1"},
            {"file": {"folder": "FILE_FOLDER_AUDIO", "class_id": "c1"}},
        ),
        (
            {"family": "generations", "type": "text-to-image", "prompt": "a fox", "settings": '{"a":1}'},
            {
                "generation": {
                    "type": "GENERATION_TYPE_TEXT_TO_IMAGE",
                    "prompt": "a fox",
                    "settings_json": '{"a":1}',
                }
            },
        ),
        (
            {"family": "generations", "type": "image/png", "generation_type": "image-to-video"},
            {"generation": {"type": "GENERATION_TYPE_IMAGE_TO_VIDEO"}},
        ),
        (
            {"family": "event_media", "event_id": EVENT, "title": "t", "description": "d", "tags": "a, b"},
            {"event_media": {"event_id": EVENT, "title": "t", "description": "d", "tags": ["a", "b"]}},
        ),
        ({"family": "profile_picture"}, {"profile_picture": {}}),
        ({"family": "temp", "ttl_seconds": "60"}, {"temp": {"ttl": "60s"}}),
        ({"family": "path", "path": "a/b.txt"}, {"path": {"path": "a/b.txt"}}),
    ],
)
async def test_every_family_is_reached(
    gateway: Running, pairs: dict[str, str], expected: dict[str, Any]
) -> None:
    await create(gateway, 3, **({"Upload-Metadata": metadata(**pairs)} if pairs else {}))
    (session,) = gateway.backends.storage.sessions.values()
    assert session.message.spec.target == ParseDict(expected, UploadTarget())


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ({"family": "other"}, "family"),
        ({"folder": "other"}, "folder"),
        ({"folder": "audio"}, "class_id"),
        ({"family": "generations"}, "type"),
        ({"family": "generations", "type": "other"}, "type"),
        ({"family": "generations", "type": "text-to-image", "settings": "{"}, "settings"),
        ({"family": "event_media"}, "event_id"),
        ({"family": "temp", "ttl_seconds": "0"}, "ttl_seconds"),
        ({"family": "path"}, "path"),
    ],
)
async def test_a_broken_target_is_named(gateway: Running, pairs: dict[str, str], field: str) -> None:
    reply = await gateway.client.post(
        "/files", headers={**TUS, "Upload-Length": "1", "Upload-Metadata": metadata(**pairs)}
    )
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == field


async def test_forwarded_origins_count_from_trusted_proxies_only() -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test, files.example.org"}
    async with run_gateway() as gateway:
        assert (await create(gateway, 1, **forwarded)).startswith("/files/")
    async with run_gateway(trusted_proxies="10.0.0.0/8, 127.0.0.1") as gateway:
        assert (await create(gateway, 1, **forwarded)).startswith("https://files.example.org/files/")
        assert (await create(gateway, 1)).startswith("/files/")
        forged = forwarded | {"X-Forwarded-Host": "a b/<script>"}
        assert (await create(gateway, 1, **forged)).startswith("/files/")
    async with run_gateway(trusted_proxies="10.0.0.0/8") as gateway:
        assert (await create(gateway, 1, **forwarded)).startswith("/files/")


async def test_the_first_bytes_may_come_along(gateway: Running) -> None:
    whole = await gateway.client.post("/files", headers={**BYTES, "Upload-Length": "5"}, content=b"hello")
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, "5")
    assert "upload-expires" not in whole.headers
    part = await gateway.client.post("/files", headers={**BYTES, "Upload-Length": "5"}, content=b"he")
    assert (part.status_code, part.headers["upload-offset"]) == (201, "2")
    assert (await patch(gateway, part.headers["location"], 2, b"y!!")).status_code == 204
    assert stored(gateway) == [b"hello", b"hey!!"]


async def test_first_bytes_that_are_refused_leave_nothing(gateway: Running) -> None:
    for headers, status in (
        ({"Upload-Length": "2"}, 413),
        ({"Upload-Length": "5", "Upload-Checksum": f"sha1 {base64.b64encode(b'x' * 20).decode()}"}, 460),
        ({"Upload-Length": "5", "Content-Type": "text/plain"}, 415),
    ):
        reply = await gateway.client.post("/files", headers={**BYTES, **headers}, content=b"hello")
        assert reply.status_code == status
        assert gateway.backends.storage.sessions == {}


async def test_an_idempotency_key_names_one_upload(gateway: Running) -> None:
    key = {"Idempotency-Key": "one"}
    first = await create(gateway, 5, **key)
    await patch(gateway, first, 0, b"he")
    assert await create(gateway, 5, **key) == first
    again = await gateway.client.post(
        "/files", headers={**BYTES, **key, "Upload-Length": "5"}, content=b"hello"
    )
    assert (again.headers["location"], again.headers["upload-offset"]) == (first, "5")
    assert stored(gateway) == [b"hello"]
    assert (await gateway.client.post("/files", headers={**TUS, "Idempotency-Key": "a b"})).status_code == 422


async def test_a_repeat_of_fewer_bytes_than_there_are_is_refused(gateway: Running) -> None:
    """Otherwise its client would continue after bytes that it has never sent, or take them for its own."""
    key = {"Idempotency-Key": "one"}
    first = await create(gateway, 5, **key)
    for offset, body in ((0, b"hel"), (3, b"lo")):
        await patch(gateway, first, offset, body)
        short = await gateway.client.post(
            "/files", headers={**BYTES, **key, "Upload-Length": "5"}, content=b"hello"[: offset + 1]
        )
        assert (short.status_code, short.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await create(gateway, 5, **key) == first
    assert stored(gateway) == [b"hello"]


async def test_partial_uploads_are_joined(gateway: Running) -> None:
    partial = {"Upload-Concat": "partial"}
    one, two = await create(gateway, 3, **partial), await create(gateway, 2, **partial)
    assert (await head(gateway, one)).headers["upload-concat"] == "partial"
    unfinished = await gateway.client.post("/files", headers={**TUS, "Upload-Concat": f"final;{one} {two}"})
    assert unfinished.status_code == 400
    assert "upload-expires" in (await patch(gateway, one, 0, b"abc")).headers
    await patch(gateway, two, 0, b"de")
    assert stored(gateway) == []
    concat = f"final;{one} https://files.example.org/prefix{two} {one}"
    final = await gateway.client.post(
        "/files", headers={**TUS, "Upload-Concat": concat, "Upload-Metadata": metadata(filename="abc.txt")}
    )
    assert final.status_code == 201
    assert stored(gateway) == [b"abcdeabc"]
    found = (await head(gateway, final.headers["location"])).headers
    assert (found["upload-concat"], found["upload-length"], found["upload-offset"]) == (concat, "8", "8")
    for offset, body in ((8, b""), (8, b"x"), (0, b"x")):
        assert (await patch(gateway, final.headers["location"], offset, body)).status_code == 403
    assert stored(gateway) == [b"abcdeabc"]


async def test_what_can_not_be_joined(gateway: Running) -> None:
    whole = await create(gateway, 0)
    for concat, extra, status in (
        (f"final;{whole}", {}, 422),
        ("final;/files/unknown", {}, 404),
        (f"final;{whole}", {"Upload-Length": "0"}, 400),
    ):
        reply = await gateway.client.post("/files", headers={**TUS, "Upload-Concat": concat, **extra})
        assert reply.status_code == status


async def test_checksums_of_first_bytes_are_verified(gateway: Running) -> None:
    good = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    reply = await gateway.client.post(
        "/files",
        headers={**BYTES, "Upload-Length": "5", "Upload-Checksum": f"sha256 {good}"},
        content=b"hello",
    )
    assert reply.status_code == 201
    assert stored(gateway) == [b"hello"]
