"""Signed requests, sent by a client that knows nothing else; moto, which checks none, proves their form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, SignedRequest
from tests.contract.objectstore.backends import PART, having
from tests.contract.objectstore.bodies import ATTRS, put, random_body, read

MINUTE = timedelta(minutes=1)
http = pytest.mark.parametrize("backend", having("http"), indirect=True)
signatures = pytest.mark.parametrize("backend", having("http", "signatures"), indirect=True)


async def send(
    request: SignedRequest, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        sent = {**request.headers, **(headers or {})}
        return await client.request(request.method, request.url, content=body, headers=sent)


@http
async def test_get_and_head_with_overrides(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "ä b+c", b"bytes")
    signed = await store.presign_get(
        ObjectRef(prefix + "ä b+c"),
        MINUTE,
        content_type="application/x-test",
        content_disposition="attachment; filename*=UTF-8''%C3%A4%20b.bin",
    )
    answer = await send(signed)
    assert (answer.status_code, answer.content) == (200, b"bytes")
    assert answer.headers["content-type"] == "application/x-test"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.bin"
    head = await send(await store.presign_get(ObjectRef(prefix + "ä b+c"), MINUTE, method="HEAD"))
    assert (head.status_code, head.headers["content-length"]) == (200, "5")


@http
async def test_get_of_a_version(versioned: ObjectStore, prefix: str) -> None:
    old = await put(versioned, prefix + "x", b"old")
    await put(versioned, prefix + "x", b"new")
    signed = await versioned.presign_get(ObjectRef(prefix + "x", old.version_id), MINUTE)
    assert (await send(signed)).content == b"old"


@http
async def test_put_with_attributes(store: ObjectStore, prefix: str) -> None:
    body = b"by the client"
    signed = await store.presign_put(
        prefix + "x", ATTRS, size=len(body), crc32c=checksums.crc32c_of([body]), expires=MINUTE
    )
    assert (await send(signed, body)).status_code == 200
    info = await store.head(ObjectRef(prefix + "x"))
    assert (info.size, info.content_type, info.metadata) == (len(body), "image/png", ATTRS.metadata)


@http
async def test_parts(store: ObjectStore, prefix: str) -> None:
    bodies = [random_body(PART), b"tail"]
    upload_id = await store.create(prefix + "x", ATTRS)
    for number, body in enumerate(bodies, start=1):
        signed = await store.presign_part(
            prefix + "x",
            upload_id,
            number,
            size=len(body),
            crc32c=checksums.crc32c_of([body]),
            expires=MINUTE,
        )
        assert (await send(signed, body)).status_code == 200
    await store.complete(prefix + "x", upload_id, await store.list_parts(prefix + "x", upload_id))
    assert await read(store, prefix + "x") == b"".join(bodies)


@pytest.mark.parametrize("backend", having("forms"), indirect=True)
async def test_form(store: ObjectStore, prefix: str) -> None:
    form = await store.post_form(prefix + "x", ATTRS, min_size=1, max_size=100, expires=MINUTE)
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.post(form.url, data=dict(form.fields), files={"file": ("x.png", b"by form")})
    assert answer.status_code == 201
    assert await read(store, prefix + "x") == b"by form"


@signatures
async def test_a_url_opens_one_key_with_one_method(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "x", b"mine")
    await put(store, prefix + "y", b"foreign")
    signed = await store.presign_get(ObjectRef(prefix + "x"), MINUTE)
    other_key = SignedRequest("GET", signed.url.replace(f"{prefix}x", f"{prefix}y"), {}, signed.expires_at)
    other_method = SignedRequest("DELETE", signed.url, {}, signed.expires_at)
    longer = SignedRequest(
        "GET", signed.url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"), {}, signed.expires_at
    )
    for wrong in (other_key, other_method, longer):
        assert (await send(wrong)).status_code == 403
    assert (await send(signed)).content == b"mine"


@signatures
async def test_a_url_expires(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "x", b"mine")
    signed = await store.presign_get(ObjectRef(prefix + "x"), timedelta(seconds=1))
    await asyncio.sleep(2.5)
    assert (await send(signed)).status_code == 403


@signatures
async def test_uploads_are_bound_to_length_type_and_checksum(store: ObjectStore, prefix: str) -> None:
    body = b"the agreed bytes"
    crc32c = checksums.crc32c_of([body])
    signed = await store.presign_put(prefix + "x", ATTRS, size=len(body), crc32c=crc32c, expires=MINUTE)
    longer = await send(signed, body + b"!", headers={"content-length": str(len(body) + 1)})
    other_bytes = await send(signed, body[::-1])
    other_type = await send(signed, body, headers={"content-type": "text/html"})
    assert [longer.status_code, other_bytes.status_code, other_type.status_code] == [403, 400, 403]
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))
    assert (await send(signed, body)).status_code == 200


@pytest.mark.parametrize("seconds", [0, 7 * 86_400 + 1])
@http
async def test_lifetimes_outside_of_sigv4_are_refused(store: ObjectStore, prefix: str, seconds: int) -> None:
    with pytest.raises(ValueError, match="7 days"):
        await store.presign_get(ObjectRef(prefix + "x"), timedelta(seconds=seconds))
