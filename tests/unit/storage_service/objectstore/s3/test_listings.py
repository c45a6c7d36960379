"""Listings are complete and in order, or an error."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.s3.store import S3ObjectStore
from tests.unit.storage_service.objectstore.s3.scripted_server import Step, answer, failure, raw
from tests.unit.storage_service.objectstore.s3.scripted_store import scripted

TIME = "<LastModified>2026-11-20T10:00:00Z</LastModified>"


def page(*keys: str, following: str | None = None, cut: int | None = None) -> Step:
    entries = "".join(
        f'<Contents><Key>{key}</Key><Size>1</Size><ETag>"e"</ETag>{TIME}</Contents>' for key in keys
    )
    more = "false" if following is None else "true"
    token = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
    xml = f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{entries}</ListBucketResult>"
    return answer(200, xml.encode()[:cut])


def versions(*entries: tuple[str, str], following: tuple[str, str] | None = None) -> Step:
    listed = "".join(
        f"<Version><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>false</IsLatest><Size>1</Size>"
        f"<ETag>e</ETag>{TIME}</Version>"
        for key, version in entries
    )
    markers = ""
    if following is not None:
        markers = f"<NextKeyMarker>{following[0]}</NextKeyMarker>"
        markers += f"<NextVersionIdMarker>{following[1]}</NextVersionIdMarker>" if following[1] else ""
    more = "false" if following is None else "true"
    told = f"<EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{markers}"
    return answer(200, f"<ListVersionsResult>{told}{listed}</ListVersionsResult>".encode())


async def keys(store: S3ObjectStore) -> list[str]:
    return [found.key async for entries in store.list_objects("p/") for found in entries]


async def test_pages_follow_each_other() -> None:
    async with scripted(page("p/1", "p/2", following="t1"), page("p/3")) as (store, server):
        assert await keys(store) == ["p/1", "p/2", "p/3"]
    assert server.requests[1].query["continuation-token"] == "t1"


@pytest.mark.parametrize(
    "steps",
    [
        [page("p/1", "p/2", following="t1"), page("p/2", "p/3")],
        [page("p/1", "p/2", following="t1"), page("p/1", "p/2", following="t2")],
        [page("p/2", "p/1")],
        [page("p/1", "q/1")],
        [page("p/1", following="")],
        [page("p/1", following="t1"), page("p/2", following="t1")],
    ],
)
async def test_pages_that_cannot_be_right(steps: list[Step]) -> None:
    async with scripted(*steps, max_attempts=1) as (store, _):
        with pytest.raises(errors.StoreUnavailable, match="listing"):
            await keys(store)


@pytest.mark.parametrize(
    "second",
    [failure(500, "InternalError"), page("p/3", cut=-30), raw(b"HTTP/1.1 200 OK\r\n", then_close=True)],
)
async def test_an_error_in_the_middle_is_raised(second: Step) -> None:
    async with scripted(page("p/1", following="t1"), second, max_attempts=1) as (store, _):
        pages = store.list_objects("p/")
        assert [found.key for found in await anext(pages)] == ["p/1"]
        with pytest.raises(errors.StoreUnavailable):
            await anext(pages)


async def test_a_page_is_asked_for_again() -> None:
    async with scripted(page("p/1", following="t1"), failure(503, "SlowDown"), page("p/2")) as (store, _):
        assert await keys(store) == ["p/1", "p/2"]


async def test_versions_of_one_key_may_span_pages() -> None:
    steps = [versions(("p/1", "b"), following=("p/1", "b")), versions(("p/1", "a"), ("p/2", "c"))]
    async with scripted(*steps) as (store, server):
        found = [entry async for entries in store.list_versions("p/") for entry in entries]
    assert [(entry.key, entry.version_id) for entry in found] == [("p/1", "b"), ("p/1", "a"), ("p/2", "c")]
    query = server.requests[1].query
    assert (query["key-marker"], query["version-id-marker"]) == ("p/1", "b")


async def test_versions_without_a_way_on() -> None:
    for following in (("", ""), ("p/1", "b")):
        again = versions(("p/1", "b"), following=following)
        async with scripted(again, again, max_attempts=1) as (store, _):
            with pytest.raises(errors.StoreUnavailable, match="listing"):
                assert [entries async for entries in store.list_versions("p/")] == []


@pytest.mark.parametrize("key", ["p/a+b", "p/a%20b", "p/a%2Bb", "p/a b"])
async def test_a_marker_that_ceph_does_not_escape_is_the_last_key(key: str) -> None:
    steps = [versions((quote(key), "b"), following=(key, "b")), versions((quote(key), "a"))]
    async with scripted(*steps) as (store, server):
        found = [entry async for entries in store.list_versions("p/") for entry in entries]
    assert [(entry.key, entry.version_id) for entry in found] == [(key, "b"), (key, "a")]
    assert server.requests[1].query["key-marker"] == key


async def test_what_the_listing_is_to_go_on_after_is_left_out() -> None:
    async with scripted(versions(("p/1", "b"), ("p/1", "a"), ("p/2", "c"))) as (store, _):
        found = [entry.key async for entries in store.list_versions("p/", after="p/1") for entry in entries]
    assert found == ["p/2"]


def uploads(*ids: str, following: str | None = None) -> Step:
    listed = "".join(
        f"<Upload><Key>p/k</Key><UploadId>{upload}</UploadId>"
        "<Initiated>2026-11-20T10:00:00Z</Initiated></Upload>"
        for upload in ids
    )
    marker = f"<NextKeyMarker>p/k</NextKeyMarker><NextUploadIdMarker>{following}</NextUploadIdMarker>"
    more = f"<IsTruncated>true</IsTruncated>{marker}" if following else "<IsTruncated>false</IsTruncated>"
    return answer(200, f"<ListMultipartUploadsResult>{more}{listed}</ListMultipartUploadsResult>".encode())


async def test_uploads_of_all_pages_or_none() -> None:
    async with scripted(uploads("u1", following="u1"), uploads("u2")) as (store, server):
        assert [found.upload_id for found in await store.list_uploads("p/")] == ["u1", "u2"]
    assert server.requests[1].query["upload-id-marker"] == "u1"
    for second in (failure(500, "InternalError"), uploads("u1", following="u1")):
        async with scripted(uploads("u1", following="u1"), second, max_attempts=1) as (store, _):
            with pytest.raises(errors.StoreUnavailable):
                await store.list_uploads("p/")


def parts(*numbers: int, following: int | None = None) -> Step:
    listed = "".join(
        f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag><Size>5</Size></Part>" for n in numbers
    )
    marker = f"<NextPartNumberMarker>{following}</NextPartNumberMarker>" if following else ""
    more = "true" if following else "false"
    xml = f"<ListPartsResult><IsTruncated>{more}</IsTruncated>{marker}{listed}</ListPartsResult>"
    return answer(200, xml.encode())


async def test_parts_of_all_pages() -> None:
    async with scripted(parts(1, 2, following=2), parts(3)) as (store, server):
        assert [part.number for part in await store.list_parts("k", "u")] == [1, 2, 3]
    assert server.requests[1].query["part-number-marker"] == "2"
