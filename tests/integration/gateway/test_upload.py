"""POST /api/v1/s3/upload: stored content and answers."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import google_crc32c
import httpx
import pytest

from gateway.http.multipart import FormReader
from strongroom.errors import ContentTypeMismatch, ObjectStoreUnavailable, QuotaExceeded, StrongroomError
from tests.integration.gateway.harness import Running, bearer, form
from tests.integration.gateway.raw import connect, head, until

MIB = 1024 * 1024
UPLOAD = "/api/v1/s3/upload"


async def post(running: Running, content: bytes | None, **arguments: Any) -> httpx.Response:
    headers, path = arguments.pop("headers", {}), arguments.pop("path", UPLOAD)
    body, own = form(content, **arguments)
    return await running.client.post(path, content=body, headers={**own, **headers})


def stored(running: Running) -> list[bytes]:
    return [data for _, data in running.backends.store.files.values()]


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


async def test_a_file_is_stored_and_told(gateway: Running) -> None:
    response = await post(gateway, b"hello", filename="Grüße.txt")
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"key", "url", "size", "content_type", "etag", "metadata"}
    assert re.fullmatch(r"uploads/alice/[0-9a-f-]{36}\.txt", body["key"])
    assert body["url"].startswith(f"{gateway.client.base_url}/l/")
    assert (body["size"], body["content_type"]) == (5, "text/plain")
    assert body["etag"] == hashlib.md5(b"hello").hexdigest()
    assert set(body["metadata"]) == {"user_id", "original_filename", "content_type", "upload_timestamp"}
    assert (body["metadata"]["user_id"], body["metadata"]["original_filename"]) == ("alice", "Grüße.txt")
    assert stored(gateway) == [b"hello"]


@pytest.mark.parametrize("size", [1, 3 * MIB])
async def test_what_is_answered_is_gone_without_the_garbage_collector(gateway: Running, size: int) -> None:
    gc.collect()
    gc.disable()
    try:
        await post(gateway, bytes(size))
        await until(lambda: not any(isinstance(one, FormReader) for one in gc.get_objects()), "gone")
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 7])
async def test_every_size_comes_through(gateway: Running, size: int) -> None:
    content = os.urandom(size)
    for order in ("before", "after"):
        response = await post(gateway, content, **{order: {"folder": "documents"}})
        assert response.status_code == 201, response.text
        assert response.json()["key"].startswith("documents/alice/")
    assert stored(gateway) == [content, content]
    assert max(gateway.backends.storage.faults.chunks) <= MIB


async def test_messages_are_a_mebibyte(gateway: Running) -> None:
    await post(gateway, bytes(5 * MIB + 7), before={"folder": "uploads"})
    assert gateway.backends.storage.faults.chunks == [MIB] * 5 + [7]
    gateway.backends.storage.faults.chunks.clear()
    await post(gateway, b"small")
    assert gateway.backends.storage.faults.chunks == [5]


async def test_audio_needs_a_class(gateway: Running) -> None:
    for order in ("before", "after"):
        fields = {"folder": "audio", "class_id": "c-1"}
        response = await post(gateway, b"x", content_type="audio/mpeg", **{order: fields})
        assert response.status_code == 201
        assert response.json()["key"].startswith("audio/c-1/")
        assert response.json()["metadata"]["class_id"] == "c-1"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"folder": "attic"}, "folder"),
        ({"folder": "audio"}, "class_id"),
        ({"folder": "uploads", "class_id": "c"}, "class_id"),
        ({"folder": "audio", "class_id": "c" * 129}, "class_id"),
    ],
)
async def test_fields_that_are_refused(gateway: Running, fields: dict[str, str], field: str) -> None:
    for order in ("before", "after"):
        response = await post(gateway, b"x", **{order: fields})
        assert response.status_code == 422
        assert response.json()["code"] == "INVALID_FIELD"
        assert response.json()["metadata"]["field"] == field
    assert stored(gateway) == []


async def test_no_file(gateway: Running) -> None:
    response = await post(gateway, None, before={"folder": "uploads"})
    assert (response.status_code, response.json()["metadata"]["field"]) == (422, "file")


async def test_unknown_fields_and_parameters_are_ignored(gateway: Running) -> None:
    response = await post(gateway, b"x", before={"colour": "red"}, path=f"{UPLOAD}?debug=1")
    assert response.status_code == 201


async def test_chunked_bodies(gateway: Running) -> None:
    body, headers = form(os.urandom(3 * MIB), after={"folder": "documents"})

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    response = await gateway.client.post(UPLOAD, content=pieces(), headers=headers)
    assert response.status_code == 201
    assert response.json()["key"].startswith("documents/")


@pytest.mark.parametrize(
    "fields", [{}, {"folder": "uploads"}, {"folder": "documents"}, {"folder": "audio", "class_id": "c"}]
)
async def test_large_files_before_their_fields(gateway: Running, fields: dict[str, str]) -> None:
    """The first message has a guess, the last one the actual target."""
    content = os.urandom(10 * MIB)
    response = await post(gateway, content, after=fields)
    assert response.status_code == 201
    assert response.json()["key"].startswith(fields.get("folder", "uploads") + "/")
    assert stored(gateway) == [content]
    assert gateway.backends.storage.faults.provisional == [True]


async def test_nothing_is_guessed_where_the_fields_say_it_all(gateway: Running) -> None:
    for fields in ({"folder": "documents"}, {"folder": "audio", "class_id": "c"}):
        await post(gateway, bytes(2 * MIB), before=fields)
    await post(gateway, b"small", after={"folder": "documents"})
    assert gateway.backends.storage.faults.provisional == [False, False, False]


async def test_late_fields_that_are_refused(gateway: Running) -> None:
    content = bytes(3 * MIB)
    for before, after in (
        ({}, {"folder": "attic"}),
        ({"folder": "audio"}, {}),
        ({"folder": "uploads"}, {"class_id": "c"}),
    ):
        response = await post(gateway, content, before=before, after=after)
        assert (response.status_code, response.json()["code"]) == (422, "INVALID_FIELD")
    response = await post(gateway, content, after={"user_id": "bob"})
    assert response.status_code == 403
    admin = bearer("root", role="admin")
    response = await post(
        gateway, content, before={"folder": "uploads"}, after={"user_id": "bob"}, headers=admin
    )
    assert (response.status_code, response.json()["code"]) == (400, "MALFORMED_REQUEST")
    await until(lambda: gateway.backends.storage.faults.ended_early == 5, "uploads go on")
    assert stored(gateway) == []


async def test_a_slow_upload_begins_before_its_first_mebibyte(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    body, headers = form(b"slowly", after={"folder": "documents"})
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body[:-80])
        await until(lambda: faults.received > 0, "the first bytes wait")
        await connection.send(body[-80:])
        answer = await connection.answer()
    assert answer.status == 201
    assert json.loads(answer.body)["key"].startswith("documents/")


async def test_checksums_are_verified_by_whoever_stores(gateway: Running) -> None:
    content = os.urandom(2 * MIB)
    good = {
        "Content-MD5": b64(hashlib.md5(content).digest()),
        "Digest": f"SHA-256={b64(hashlib.sha256(content).digest())}",
        "Repr-Digest": f"sha-256=:{b64(hashlib.sha256(content).digest())}:",
        "x-amz-checksum-crc32c": b64(google_crc32c.value(content).to_bytes(4, "big")),
        "Content-Digest": f"sha-256=:{b64(hashlib.sha256(content).digest())}:",
    }
    for name, value in good.items():
        assert (await post(gateway, content, headers={name: value})).status_code == 201, name
        response = await post(gateway, content + b"!", headers={name: value})
        assert (response.status_code, response.json()["code"]) == (422, "CHECKSUM_MISMATCH"), name
    assert set(stored(gateway)) == {content}


async def test_content_digest_of_the_whole_body(gateway: Running) -> None:
    body, _ = form(b"x")
    digest = {"Content-Digest": f"sha-256=:{b64(hashlib.sha256(body).digest())}:"}
    assert (await post(gateway, b"x", headers=digest)).status_code == 201


@pytest.mark.parametrize(
    "name", ["Content-MD5", "Digest", "Repr-Digest", "x-amz-checksum-crc32c", "Content-Digest"]
)
async def test_checksums_that_are_none(gateway: Running, name: str) -> None:
    response = await post(gateway, b"x", headers={name: "nonsense"})
    assert response.status_code == 422
    assert response.json()["metadata"]["field"].lower() == name.lower()


async def test_idempotency(gateway: Running) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await post(gateway, b"one", headers=key)
    again = await post(gateway, b"one", headers=key)
    other = await post(gateway, b"two", headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert stored(gateway) == [b"one"]
    bad = await post(gateway, b"one", headers={"Idempotency-Key": "x" * 300})
    assert (bad.status_code, bad.json()["metadata"]["field"]) == (422, "Idempotency-Key")


@pytest.mark.parametrize("at", [0, 2 * MIB])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (QuotaExceeded("The quota of 10 bytes is used up.", metadata={"limit": "10", "used": "10"}), 413),
        (ContentTypeMismatch("Not what was declared."), 422),
        (ObjectStoreUnavailable("The object store does not answer."), 503),
    ],
)
async def test_what_the_store_refuses_is_passed_on(
    gateway: Running, error: StrongroomError, status: int, at: int
) -> None:
    faults = gateway.backends.storage.faults
    faults.error, faults.fail_after = error, at
    response = await post(gateway, bytes(4 * MIB), before={"folder": "uploads"})
    assert (response.status_code, response.json()["detail"]) == (status, error.message)
    assert response.json()["code"] == error.reason_name
    assert stored(gateway) == []


async def test_size_limit_is_named(gateway: Running) -> None:
    gateway.backends.store.limit = 2 * MIB
    response = await post(gateway, bytes(3 * MIB), before={"folder": "uploads"})
    assert response.status_code == 413
    assert response.json()["metadata"] == {"limit": str(2 * MIB), "family": "file"}
    assert str(2 * MIB) in response.json()["detail"]


async def test_user_id(gateway: Running) -> None:
    for arguments in (
        {"before": {"user_id": "bob"}},
        {"after": {"user_id": "bob"}},
        {"path": f"{UPLOAD}?user_id=bob"},
    ):
        response = await post(gateway, b"x", **arguments)
        assert (response.status_code, response.json()["code"]) == (403, "USER_MISMATCH")
    for arguments in ({"before": {"user_id": "alice"}}, {"path": f"{UPLOAD}?user_id=alice"}):
        assert (await post(gateway, b"x", **arguments)).status_code == 201
    assert stored(gateway) == [b"x", b"x"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "application/json"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content-Type": "multipart/form-data"}, 400, "MALFORMED_REQUEST"),
        ({"Content-Encoding": "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_bodies_of_another_kind(
    gateway: Running, headers: dict[str, str], status: int, code: str
) -> None:
    response = await post(gateway, b"x", headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("answers", [True, False])
async def test_the_url_comes_with_the_answer(gateway: Running, answers: bool) -> None:
    gateway.backends.storage.signs_uploads = answers  # an older storage_service does not support it
    body = (await post(gateway, b"x")).json()
    assert body["url"].startswith(f"{gateway.client.base_url}/l/")
    assert gateway.backends.storage.urls_wanted == [True]
    assert gateway.backends.storage.signed == (0 if answers else 1)


async def test_stored_without_a_url_is_stored(gateway: Running) -> None:
    gateway.backends.storage.signs_uploads = False
    gateway.backends.storage.sign_error = ObjectStoreUnavailable("no")
    response = await post(gateway, b"x")
    assert (response.status_code, response.json()["url"]) == (201, None)
