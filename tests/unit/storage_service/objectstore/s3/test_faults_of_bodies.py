"""PutObject and UploadPart with a store that fails in every way that the light path must survive."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from dataclasses import replace
from typing import Any

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import MAX_PUT_SIZE, PartReceipt, PutResult
from tests.unit.storage_service.objectstore.s3.scripted_server import (
    HangUp,
    Request,
    Step,
    answer,
    drip,
    failure,
    hang,
    head_of,
    object_head,
    put_ok,
    raw,
    reset,
)
from tests.unit.storage_service.objectstore.s3.scripted_store import (
    ATTRS,
    BODY,
    CRC,
    CRC64,
    put_body,
    scripted,
)


async def send_part(store: S3ObjectStore) -> PartReceipt:
    return await store.upload_part("key", "id=1&2", 7, [BODY], size=len(BODY), crc32c=CRC)


async def test_what_a_put_looks_like() -> None:
    async with scripted(put_ok("e1", x_amz_checksum_crc32c=CRC64, x_amz_version_id="v1")) as (store, server):
        assert await put_body(store) == PutResult("e1", "v1", crc32c_verified=True)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", "/bucket/key", BODY)
    assert request.headers["content-length"] == str(len(BODY))
    assert request.headers["x-amz-checksum-crc32c"] == CRC64
    assert request.headers["x-amz-meta-strongroom-attempt"] == "a-1"
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert not {"transfer-encoding", "x-amz-trailer", "expect"} & request.headers.keys()


async def test_what_a_part_looks_like() -> None:
    async with scripted(put_ok("e1")) as (store, server):
        assert await send_part(store) == PartReceipt(7, "e1", len(BODY), CRC)
    assert server.requests[0].query == {"partNumber": "7", "uploadId": "id=1&2"}


@pytest.mark.parametrize(
    "first",
    [
        failure(500, "InternalError"),
        failure(503, "SlowDown"),
        answer(503, b"<html>proxy</html>"),
        answer(502),
        failure(400, "BadDigest"),
        failure(400, "RequestTimeout"),
        reset(),
        raw(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True),
        raw(b"220 mail.example ESMTP\r\n", then_close=True),
        raw(b"HTTP/1.1 100 Continue\r\n\r\n", then_close=True),
    ],
)
async def test_what_may_pass_is_tried_again_with_the_same_bytes(first: Step) -> None:
    async with scripted(first, put_ok("e1")) as (store, server):
        assert (await put_body(store)).etag == "e1"
    assert [request.body for request in server.requests] == [BODY, BODY]


@pytest.mark.parametrize(
    ("step", "kind", "unknown"),
    [
        (failure(500, "InternalError"), errors.StoreUnavailable, True),
        (failure(503, "SlowDown"), errors.StoreThrottled, False),
        (failure(400, "BadDigest"), errors.ChecksumMismatch, False),
        (reset(), errors.StoreUnavailable, True),
    ],
)
async def test_what_does_not_pass(step: Step, kind: type[StoreError], unknown: bool) -> None:
    async with scripted(step, step, max_attempts=2) as (store, server):
        with pytest.raises(kind) as caught:
            await send_part(store)
    assert (caught.value.outcome_unknown, caught.value.operation) == (unknown, "UploadPart")
    assert len(server.requests) == 2


@pytest.mark.parametrize("step", [hang(60), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0.5)])
async def test_replies_have_a_deadline_however_slowly_they_drip(step: Step) -> None:
    async with scripted(step, put_ok("e1"), reply_timeout=4.0) as (store, _):
        assert (await put_body(store)).etag == "e1"
    async with scripted(step, reply_timeout=2.0, max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreTimeout) as caught:
            await send_part(store)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (failure(403, "AccessDenied"), errors.AccessDenied),
        (failure(403, "ExpiredToken"), errors.NoCredentials),
        (failure(404, "NoSuchBucket"), errors.BucketMissing),
        (failure(404, "NoSuchUpload"), errors.UploadNotFound),
        (failure(404, "NoSuchKey"), errors.UploadNotFound),
        (failure(400, "EntityTooLarge"), errors.EntityTooLarge),
        (failure(403, "RequestTimeTooSkewed"), errors.ClockSkewed),
        (failure(403, "QuotaExceeded"), errors.InsufficientStorage),
        (answer(507), errors.InsufficientStorage),
        (failure(411, "MissingContentLength"), errors.InvalidRequest),
    ],
)
async def test_what_will_not_pass_is_not_repeated(step: Step, kind: type[StoreError]) -> None:
    async with scripted(step) as (store, server):
        with pytest.raises(kind) as caught:
            await send_part(store)
    assert (caught.value.outcome_unknown, caught.value.retryable) == (False, False)
    assert len(server.requests) == 1


async def test_an_unknown_outcome_stays_unknown() -> None:
    async with scripted(reset(), failure(404, "NoSuchUpload")) as (store, _):
        with pytest.raises(errors.UploadNotFound) as caught:
            await send_part(store)
    assert caught.value.outcome_unknown


async def test_a_reply_that_names_another_checksum() -> None:
    wrong = put_ok("e1", x_amz_checksum_crc32c="AAAAAA==")
    async with scripted(wrong) as (store, _):
        with pytest.raises(errors.ChecksumMismatch):
            await put_body(store)
    async with scripted(wrong) as (store, _):
        with pytest.raises(errors.ChecksumMismatch):
            await send_part(store)


async def test_a_part_without_etag_is_no_part() -> None:
    async with scripted(answer(200)) as (store, _):
        with pytest.raises(errors.StoreUnavailable, match="ETag"):
            await send_part(store)


async def test_an_md5_etag_proves_the_content() -> None:
    steps = [put_ok("0" * 32), put_ok("not-md5")]
    async with scripted(*steps) as (store, _):
        assert [(await put_body(store)).crc32c_verified for _ in steps] == [False, False]
    md5 = hashlib.md5(BODY).hexdigest()
    async with scripted(put_ok(md5)) as (store, _):
        assert (await put_body(store)).crc32c_verified


async def test_the_answer_before_the_end_of_the_body_is_heard() -> None:
    large = [bytes(1 << 20)] * 16

    async with scripted(failure(403, "AccessDenied", Connection="close"), early=True) as (store, _):
        with pytest.raises((errors.AccessDenied, errors.StoreUnavailable)):
            await store.put("key", large, size=16 << 20, crc32c=0, attrs=ATTRS)


async def test_an_error_in_chunks_keeps_its_code() -> None:
    body = b"<Error><Code>NoSuchBucket</Code></Error>"
    chunked = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    async with scripted(raw(chunked % (len(body), body)), put_ok("e1")) as (store, server):
        with pytest.raises(errors.BucketMissing):
            await put_body(store)
        assert (await put_body(store)).etag == "e1"
    assert [request.connection for request in server.requests] == [1, 1]


async def test_an_error_without_length_ends_with_the_connection() -> None:
    step = raw(b"HTTP/1.0 404 Nope\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>", then_close=True)
    async with scripted(step) as (store, _):
        with pytest.raises(errors.BucketMissing):
            await put_body(store)


async def test_endless_errors_are_cut_off() -> None:
    endless = raw(b"HTTP/1.1 500 Oops\r\n\r\n" + bytes(2 << 20), then_close=True)
    headers = raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"y" * (1 << 20), then_close=True)
    async with scripted(endless, headers, max_attempts=1) as (store, _):
        for _ in range(2):
            with pytest.raises(errors.StoreUnavailable):
                await put_body(store)


async def test_connections_are_kept_and_replaced() -> None:
    closing = put_ok("e2", Connection="close")
    async with scripted(put_ok("e1"), closing, put_ok("e3")) as (store, server):
        for _ in range(3):
            await put_body(store)
    assert [request.connection for request in server.requests] == [1, 1, 2]


async def test_a_connection_that_the_store_closed_meanwhile_is_not_used() -> None:
    def say_goodbye(sock: socket.socket, request: Request) -> None:
        put_ok("e1")(sock, request)
        raise HangUp

    async with scripted(say_goodbye, put_ok("e2")) as (store, server):
        await put_body(store)
        await asyncio.sleep(0.2)  # the FIN arrives
        assert (await put_body(store)).etag == "e2"
    assert [request.connection for request in server.requests] == [1, 2]


async def test_if_none_match_after_a_lost_reply_asks_whose_object_it_is() -> None:
    mine = raw(head_of(200, object_head(len(BODY), "e9", **{"x-amz-meta-strongroom-attempt": "a-1"})))
    other = raw(head_of(200, object_head(len(BODY), "e9", **{"x-amz-meta-strongroom-attempt": "b-2"})))
    exists = failure(412, "PreconditionFailed")
    async with scripted(reset(), exists, mine) as (store, server):
        assert (await put_body(store, if_none_match=True)).etag == "e9"
    assert [request.method for request in server.requests] == ["PUT", "PUT", "HEAD"]
    assert server.requests[0].headers["if-none-match"] == "*"
    for steps in ([reset(), exists, other], [exists]):
        async with scripted(*steps) as (store, _):
            with pytest.raises(errors.PreconditionFailed):
                await put_body(store, if_none_match=True)


async def test_options_change_the_request() -> None:
    options: dict[str, Any] = {
        "encryption": "aws:kms",
        "kms_key_id": "alias/k",
        "storage_class": "STANDARD_IA",
        "sign_payload": "always",
        "content_md5": True,
        "conditional_writes": False,
        "multipart_checksum": "off",
    }
    async with scripted(put_ok("e1"), **options) as (store, server):
        await put_body(store, if_none_match=True)
    headers = server.requests[0].headers
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/k"
    assert headers["x-amz-storage-class"] == "STANDARD_IA"
    assert headers["x-amz-content-sha256"] == hashlib.sha256(BODY).hexdigest()
    assert headers["content-md5"]
    assert not {"if-none-match", "x-amz-checksum-crc32c"} & headers.keys()


async def test_a_store_that_lacks_an_option_is_told_by_its_name() -> None:
    async with scripted(failure(501, "NotImplemented"), encryption="AES256") as (store, _):
        with pytest.raises(errors.NotSupportedByStore, match="STRONGROOM_S3_SSE"):
            await put_body(store)


async def test_what_headers_cannot_carry_and_what_is_too_large() -> None:
    async with scripted() as (store, server):
        for bad in ("text/plain\r\nx-evil: 1", "täxt/plain"):
            with pytest.raises(errors.InvalidRequest, match="content-type"):
                await store.put("k", [], size=0, crc32c=0, attrs=replace(ATTRS, content_type=bad))
        with pytest.raises(errors.EntityTooLarge):
            await store.put("k", [], size=MAX_PUT_SIZE + 1, crc32c=0, attrs=ATTRS)
    assert server.requests == []


@pytest.mark.parametrize(
    "chunks", [[BODY], [BODY[:1], BODY[1:]], [b"", BODY[:5], b"", BODY[5:]], [b"x"], [b""]]
)
async def test_the_middle_of_a_body_is_announced(chunks: list[bytes]) -> None:
    body = b"".join(chunks)
    heard: list[str] = []
    async with scripted(put_ok("e1"), put_ok("e2"), on_mid_body=heard.append) as (store, server):
        await store.put("key", chunks, size=len(body), crc32c=1, attrs=ATTRS)
        await store.upload_part("key", "id", 1, chunks, size=len(body), crc32c=1)
    assert heard == ["s3.put.mid_body", "s3.part.mid_body"]
    assert [request.body for request in server.requests] == [body, body]
