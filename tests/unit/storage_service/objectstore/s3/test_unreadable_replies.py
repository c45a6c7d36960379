"""Unreadable replies are failures of the store: requested again, then StoreUnavailable, never a parser's
exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import Step, answer, object_head
from tests.unit.storage_service.objectstore.s3.scripted_store import put_body, scripted

TIME = "2026-11-20T10:00:00Z"
AT = f"<LastModified>{TIME}</LastModified>"
WHOLE = "<IsTruncated>false</IsTruncated>"
VERSION = "<Key>k</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><Size>1</Size><ETag>e</ETag>"
UPLOAD = f"<Key>k</Key><UploadId>u</UploadId><Initiated>{TIME}</Initiated>"
PART = "<PartNumber>1</PartNumber><ETag>e</ETag><Size>5</Size>"
Call = Callable[[S3ObjectStore], Awaitable[Any]]


async def objects(store: S3ObjectStore) -> list[str]:
    return [found.key async for page in store.list_objects("k") for found in page]


async def versions(store: S3ObjectStore) -> list[str]:
    return [found.key async for page in store.list_versions("k") for found in page]


async def read(store: S3ObjectStore) -> bytes:
    async with store.open(ObjectRef("k")) as stream:
        return b"".join([chunk async for chunk in stream])


CALLS: dict[str, tuple[Call, str]] = {
    "ListObjectsV2": (
        objects,
        f"<ListBucketResult>{WHOLE}<Contents><Key>k</Key><Size>1</Size><ETag>e</ETag>{AT}</Contents></ListBucketResult>",
    ),
    "ListObjectVersions": (
        versions,
        f"<ListVersionsResult>{WHOLE}<Version>{VERSION}{AT}</Version></ListVersionsResult>",
    ),
    "ListMultipartUploads": (
        lambda store: store.list_uploads("k"),
        f"<ListMultipartUploadsResult>{WHOLE}<Upload>{UPLOAD}</Upload></ListMultipartUploadsResult>",
    ),
    "ListParts": (
        lambda store: store.list_parts("k", "u"),
        f"<ListPartsResult>{WHOLE}<Part>{PART}{AT}</Part></ListPartsResult>",
    ),
    "CopyObject": (
        lambda store: store.copy(ObjectRef("s"), "k", ObjectAttributes(), size=1),
        f"<CopyObjectResult><ETag>e</ETag>{AT}</CopyObjectResult>",
    ),
    "UploadPartCopy": (
        lambda store: store.copy_part(ObjectRef("s"), "k", "u", 1, offset=0, length=5),
        f"<CopyPartResult><ETag>e</ETag>{AT}</CopyPartResult>",
    ),
    "CreateMultipartUpload": (
        lambda store: store.create("k", ObjectAttributes()),
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    ),
}

#: Operation, the text that is replaced, and its replacement.
DAMAGE = [
    ("ListObjectsV2", TIME, "2x26-11-20T10:00:00Z"),
    ("ListObjectsV2", "<Size>1</Size>", ""),
    ("ListObjectsV2", "<Size>1</Size>", "<Size>one</Size>"),
    ("ListObjectsV2", "<Key>k</Key>", ""),
    ("ListObjectsV2", "<ETag>e</ETag>", ""),
    ("ListObjectsV2", "</Contents></ListBucketResult>", ""),
    ("ListObjectsV2", "<IsTruncated>false</IsTruncated>", ""),
    ("ListObjectVersions", TIME, "2x26-11-20T10:00:00Z"),
    ("ListObjectVersions", TIME, "99999-11-20T10:00:00Z"),
    ("ListObjectVersions", AT, ""),
    ("ListObjectVersions", "<VersionId>v</VersionId>", ""),
    ("ListObjectVersions", "<IsLatest>true</IsLatest>", ""),
    ("ListObjectVersions", "<Size>1</Size>", "<Size>99x</Size>"),
    ("ListObjectVersions", "</Version></ListVersionsResult>", ""),
    ("ListMultipartUploads", TIME, "yesterday"),
    ("ListMultipartUploads", "<UploadId>u</UploadId>", ""),
    ("ListMultipartUploads", "<Key>k</Key>", ""),
    ("ListMultipartUploads", f"<Initiated>{TIME}</Initiated>", ""),
    ("ListMultipartUploads", "</Upload></ListMultipartUploadsResult>", ""),
    ("ListParts", "<PartNumber>1</PartNumber>", ""),
    ("ListParts", "<PartNumber>1</PartNumber>", "<PartNumber>first</PartNumber>"),
    ("ListParts", "<ETag>e</ETag>", ""),
    ("ListParts", "<Size>5</Size>", ""),
    ("ListParts", TIME, "0000-00-00T00:00:00Z"),
    ("ListParts", "</Part></ListPartsResult>", ""),
    ("CopyObject", "<ETag>e</ETag>", ""),
    ("CopyObject", "<ETag>e</ETag>", "<ETag></ETag>"),
    ("CopyObject", TIME, "x"),
    ("CopyObject", "</CopyObjectResult>", ""),
    ("UploadPartCopy", "<ETag>e</ETag>", ""),
    ("UploadPartCopy", TIME, "x"),
    ("CreateMultipartUpload", "<UploadId>u</UploadId>", ""),
    ("CreateMultipartUpload", "</InitiateMultipartUploadResult>", ""),
]


def damaged(operation: str) -> list[Step]:
    """Return one answer for each kind of damage. One store handles all, because opening a store is slow."""
    _, sound = CALLS[operation]
    edits = [(old, new) for name, old, new in DAMAGE if name == operation]
    assert all(sound.count(old) == 1 for old, _ in edits)
    return [answer(200, sound.replace(old, new).encode()) for old, new in edits]


@pytest.mark.parametrize("operation", CALLS)
async def test_damaged_answers_are_asked_for_again(operation: str) -> None:
    call, sound = CALLS[operation]
    steps = damaged(operation)
    async with scripted(*steps, answer(200, sound.encode()), max_attempts=len(steps) + 1) as (store, server):
        await call(store)
        assert len(server.requests) == len(steps) + 1


@pytest.mark.parametrize("operation", CALLS)
async def test_those_that_stay_damaged_are_the_stores_failure(operation: str) -> None:
    call, _ = CALLS[operation]
    steps = damaged(operation)
    async with scripted(*steps, max_attempts=1) as (store, _):
        for _ in steps:
            with pytest.raises(StoreUnavailable) as caught:
                await call(store)
            assert caught.value.outcome_unknown is not operation.startswith("List")


def head_with(**changes: str | None) -> Step:
    headers = {**object_head(1), **changes}
    return answer(200, b"x", **{name: text for name, text in headers.items() if text is not None})


HEADS: list[dict[str, str | None]] = [
    {"Last-Modified": "Fri, 99 Nov 2026 10:00:00 GMT"},
    {"Last-Modified": "Fri, 31 Dec 9999 23:59:59 -1200"},
    {"Last-Modified": "Fri, 20 Nov 2026 10:00:00 +9999"},
    {"Last-Modified": "soon"},
    {"Last-Modified": None},
]


@pytest.mark.parametrize("call", [lambda store: store.head(ObjectRef("k")), read], ids=["HEAD", "GET"])
async def test_heads_and_bodies_with_damaged_facts(call: Call) -> None:
    steps = [head_with(**changes) for changes in HEADS]
    async with scripted(*steps, head_with(), max_attempts=len(steps) + 1) as (store, server):
        await call(store)
        assert len(server.requests) == len(steps) + 1
    async with scripted(*steps, max_attempts=1) as (store, _):
        for _ in steps:
            with pytest.raises(StoreUnavailable):
                await call(store)


async def test_a_put_that_is_confirmed_without_an_etag_is_in_doubt() -> None:
    async with scripted(answer(200)) as (store, _):
        with pytest.raises(StoreUnavailable) as caught:
            await put_body(store)
    assert caught.value.outcome_unknown
