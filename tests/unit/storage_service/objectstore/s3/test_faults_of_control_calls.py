"""Calls by botocore with a failing store, and the quirks of real stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import (
    CompleteResult,
    DeleteResult,
    ObjectRef,
    PartReceipt,
    VersioningStatus,
)
from tests.unit.storage_service.objectstore.s3.scripted_server import (
    Step,
    answer,
    drip,
    failure,
    head_of,
    object_head,
    raw,
    reset,
)
from tests.unit.storage_service.objectstore.s3.scripted_store import ATTRS, scripted

PARTS = [PartReceipt(1, "p1", 5, 1), PartReceipt(2, "p2", 5, 2)]
CREATED = answer(
    200, b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
)
COMPLETED = b"<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>"
ERROR_IN_200 = answer(200, b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code></Error>")


async def complete(store: S3ObjectStore) -> CompleteResult:
    return await store.complete("key", "u1", PARTS)


@pytest.mark.parametrize(
    "first",
    [
        failure(500, "InternalError"),
        failure(503, "SlowDown"),
        reset(),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n<InitiateMultipartUp", then_close=True),
        answer(200, b"<InitiateMultipartUploadResult><UploadId>u1</Up"),
        answer(503, b"<html>gateway</html>"),
    ],
)
async def test_what_may_pass_is_tried_again(first: Step) -> None:
    async with scripted(first, CREATED) as (store, server):
        assert await store.create("key", ATTRS) == "u1"
    assert [request.query for request in server.requests] == [{"uploads": ""}] * 2


async def test_a_dripping_answer_has_a_deadline() -> None:
    slow = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0.2)
    async with scripted(slow, max_attempts=1, reply_timeout=2.0) as (store, _):
        with pytest.raises(errors.StoreTimeout) as caught:
            await store.abort("key", "u1")
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("call", "unknown"),
    [
        (lambda store: store.create("key", ATTRS), True),
        (lambda store: store.abort("key", "u1"), True),
        (lambda store: store.list_parts("key", "u1"), False),
        (lambda store: store.list_uploads("key"), False),
        (lambda store: store.delete(ObjectRef("key")), True),
        (lambda store: store.head(ObjectRef("key")), False),
        (lambda store: store.copy(ObjectRef("a"), "b", ATTRS, size=1), True),
    ],
)
@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (failure(500, "InternalError"), errors.StoreUnavailable),
        (reset(), errors.StoreUnavailable),
        (failure(403, "AccessDenied"), errors.AccessDenied),
    ],
)
async def test_every_call_translates(
    call: Callable[[S3ObjectStore], Awaitable[object]], unknown: bool, step: Step, kind: type[StoreError]
) -> None:
    async with scripted(step, max_attempts=1) as (store, _):
        with pytest.raises(kind) as caught:
            await call(store)
    applied = unknown and kind is errors.StoreUnavailable
    assert (caught.value.outcome_unknown, type(caught.value)) == (applied, kind)


async def test_complete_answers_200_with_an_error_inside() -> None:
    gone = failure(404, "NoSuchUpload")
    async with scripted(ERROR_IN_200, answer(200, COMPLETED)) as (store, _):
        assert await complete(store) == CompleteResult("e-2", None, crc32c_verified=False)
    listing = answer(200, b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")
    async with scripted(ERROR_IN_200, listing, max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreUnavailable) as caught:
            await complete(store)
        assert caught.value.outcome_unknown
    async with scripted(ERROR_IN_200, gone, max_attempts=1) as (store, _):
        with pytest.raises(errors.UploadNotFound):
            await complete(store)


async def test_complete_sends_blanks_to_keep_the_connection_alive() -> None:
    blanks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    xml = b"  \n " + COMPLETED
    whole = blanks + b"%x\r\n%s\r\n0\r\n\r\n" % (len(xml), xml)
    async with scripted(raw(blanks + b"3\r\n  \n\r\n", then_close=True), raw(whole)) as (store, server):
        assert (await complete(store)).etag == "e-2"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("step", "kind", "unknown"),
    [
        (failure(412, "PreconditionFailed"), errors.PreconditionFailed, False),
        (failure(409, "ConditionalRequestConflict"), errors.StoreUnavailable, True),
        (failure(400, "InvalidPart"), errors.InvalidPart, False),
        (failure(400, "EntityTooSmall"), errors.InvalidPart, False),
        (failure(404, "NoSuchUpload"), errors.UploadNotFound, False),
    ],
)
async def test_refused_completions(step: Step, kind: type[StoreError], unknown: bool) -> None:
    async with scripted(step, max_attempts=1) as (store, _):
        with pytest.raises(kind) as caught:
            await complete(store)
    assert caught.value.outcome_unknown is unknown


async def test_ceph_forgets_the_etag_of_a_completion() -> None:
    empty = answer(200, b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>")
    head = raw(head_of(200, object_head(10, "e-2", **{"x-amz-version-id": "v1"})))
    async with scripted(empty, head) as (store, _):
        assert await complete(store) == CompleteResult("e-2", "v1", crc32c_verified=False)


async def test_ceph_answers_500_to_completing_an_unknown_upload() -> None:
    broken, gone = failure(500, "UnknownError"), failure(404, "NoSuchKey")
    async with scripted(broken, broken, gone, max_attempts=2) as (store, server):
        with pytest.raises(errors.UploadNotFound) as caught:
            await complete(store)
    assert caught.value.outcome_unknown
    assert [request.method for request in server.requests] == ["POST", "POST", "GET"]


async def test_full_object_checksums_are_declared_and_verified() -> None:
    done = COMPLETED.replace(b"</ETag>", b"</ETag><ChecksumCRC32C>AAAABw==</ChecksumCRC32C>")
    async with scripted(CREATED, answer(200, done), multipart_checksum="full_object") as (store, server):
        await store.create("key", ATTRS)
        result = await store.complete("key", "u1", PARTS, crc32c=7, if_none_match=True)
    assert result.crc32c_verified
    created, completed = server.requests
    assert created.headers["x-amz-checksum-algorithm"] == "CRC32C"
    assert created.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert completed.headers["x-amz-checksum-crc32c"] == "AAAABw=="
    assert completed.headers["if-none-match"] == "*"
    assert b"<ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C>" in completed.body


async def test_undeclared_checksums_stay_out_of_control_calls() -> None:
    async with scripted(CREATED, answer(200, COMPLETED)) as (store, server):
        await store.create("key", ATTRS)
        await store.complete("key", "u1", PARTS, crc32c=7)
    for request in server.requests:
        assert not [name for name in request.headers if "checksum" in name or "trailer" in name]
        assert b"Checksum" not in request.body


async def test_abort_of_what_is_not_there() -> None:
    for code in ("NoSuchUpload", "NoSuchKey"):
        async with scripted(failure(404, code)) as (store, _):
            with pytest.raises(errors.UploadNotFound):
                await store.abort("key", "u1")


async def test_delete_of_what_is_not_there_succeeds() -> None:
    async with scripted(failure(404, "NoSuchKey")) as (store, _):
        assert await store.delete(ObjectRef("key")) == DeleteResult(None, delete_marker=False)


async def test_delete_many_reports_each_failed_object() -> None:
    refs = [ObjectRef("a"), ObjectRef("b", "v1"), ObjectRef("c"), ObjectRef("d")]
    reply = answer(
        200,
        b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error>"
        b"<Error><Key>b</Key><VersionId>v1</VersionId><Code>InternalError</Code></Error>"
        b"<Error><Key>c</Key><Code>NoSuchKey</Code></Error><Deleted><Key>d</Key></Deleted></DeleteResult>",
    )
    async with scripted(reply) as (store, server):
        failed = await store.delete_many(refs)
    assert {ref: type(error) for ref, error in failed.items()} == {
        refs[0]: errors.AccessDenied,
        refs[1]: errors.StoreUnavailable,
    }
    assert server.requests[0].headers["content-md5"]


async def test_delete_many_goes_in_batches() -> None:
    refs = [ObjectRef(f"k{n}") for n in range(1_001)]
    deleted = [f"<Deleted><Key>{ref.key}</Key></Deleted>" for ref in refs]
    replies = [
        answer(200, f"<DeleteResult>{''.join(batch)}</DeleteResult>".encode())
        for batch in (deleted[:1_000], deleted[1_000:])
    ]
    async with scripted(*replies) as (store, server):
        assert await store.delete_many(refs) == {}
    assert [request.body.count(b"<Object>") for request in server.requests] == [1_000, 1]


async def test_delete_many_takes_silence_for_failure() -> None:
    refs = [ObjectRef("a", "v1"), ObjectRef("a", "v2"), ObjectRef("b")]
    partial = answer(
        200, b"<DeleteResult><Deleted><Key>a</Key><VersionId>v1</VersionId></Deleted></DeleteResult>"
    )
    cut = raw(b"HTTP/1.1 200 OK\r\n", then_close=True)
    for reply, silent in ((partial, refs[1:]), (cut, refs)):
        async with scripted(reply) as (store, _):
            failed = await store.delete_many(refs)
        assert {ref: type(error) for ref, error in failed.items()} == dict.fromkeys(
            silent, errors.StoreUnavailable
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.create("key", ATTRS),
        lambda store: store.list_parts("key", "u1"),
        lambda store: store.list_uploads("key"),
        lambda store: store.copy(ObjectRef("a"), "b", ATTRS, size=1),
        lambda store: store.copy_part(ObjectRef("a"), "b", "u1", 1),
    ],
)
async def test_a_reply_that_ends_inside_its_headers_is_no_reply(
    call: Callable[[S3ObjectStore], Awaitable[object]],
) -> None:
    cut = raw(b"HTTP/1.1 200 OK\r\nServer: x\r\n", then_close=True)
    async with scripted(cut, max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreUnavailable):
            await call(store)


async def test_a_completion_without_a_real_answer_is_unknown() -> None:
    cut, gone = raw(b"HTTP/1.1 200 OK\r\n", then_close=True), failure(404, "NoSuchKey")
    async with scripted(cut, gone, max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreUnavailable) as caught:
            await complete(store)
    assert caught.value.outcome_unknown


async def test_versioning_unknown_to_the_store() -> None:
    async with scripted(failure(501, "NotImplemented")) as (store, _):
        assert await store.versioning_status() is VersioningStatus.UNSUPPORTED


async def test_no_message_tells_hosts_keys_or_secrets() -> None:
    steps = [
        failure(403, "InvalidAccessKeyId"),
        reset(),
        answer(500, b"<Error>internal.host very-secret</Error>"),
    ]
    for step in steps:
        async with scripted(step, max_attempts=1) as (store, server):
            with pytest.raises(StoreError) as caught:
                await store.delete(ObjectRef("private/name"))
            told = str(caught.value)
        assert not [
            word
            for word in ("127.0.0.1", str(server.port), "very-secret", "private", "bucket/")
            if word in told
        ]
