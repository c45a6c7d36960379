"""Objects in an archive class, on a store that supports it (moto)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from moto.server import ThreadedMotoServer

from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectArchived
from storage_service.objectstore.s3.headers import object_info
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import ObjectAttributes, ObjectRef, Reachability

BODY = b"old bytes"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


UNTIL = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"'


@pytest.mark.parametrize(
    ("headers", "reachability", "until"),
    [
        ({}, Reachability.READABLE, None),
        ({"x-amz-storage-class": "GLACIER_IR"}, Reachability.READABLE, None),
        ({"x-amz-storage-class": "DEEP_ARCHIVE"}, Reachability.ARCHIVED, None),
        ({"x-amz-archive-status": "ARCHIVE_ACCESS"}, Reachability.ARCHIVED, None),
        (
            {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"'},
            Reachability.COMING_BACK,
            None,
        ),
        (
            {"x-amz-storage-class": "GLACIER", "x-amz-restore": UNTIL},
            Reachability.READABLE,
            datetime(2035, 12, 21, tzinfo=UTC),
        ),
        ({"x-amz-restore": 'ongoing-request="false", expiry-date="soon"'}, Reachability.READABLE, None),
    ],
)
def test_what_the_headers_say(
    headers: dict[str, str], reachability: Reachability, until: datetime | None
) -> None:
    said = {"content-length": "1", "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", **headers}
    info = object_info("k", said)
    assert (info.reachability, info.readable_until) == (reachability, until)


async def test_one_is_refused_asked_back_and_read(endpoint: str) -> None:
    store = open_s3_store(
        S3Options(
            bucket="archived",
            endpoint_url=endpoint,
            access_key_id="moto",
            secret_access_key="moto",
            storage_class="DEEP_ARCHIVE",
        )
    )
    try:
        await store.setup.create()
        await store.setup.enable_versioning()
        await store.setup.expire(
            temporary_prefix="temp/",
            temporary_days=40,
            hidden_days=1,
            incomplete_upload_days=8,
            transitions=[("uploads/", 30, "STANDARD_IA"), ("", 365, "DEEP_ARCHIVE")],
        )
        put = await store.put(
            "uploads/a", [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=ObjectAttributes()
        )
        ref = ObjectRef("uploads/a", put.version_id)
        with pytest.raises(ObjectArchived, match="archive class"):
            async with store.open(ref):
                pass
        info = await store.head(ref)
        assert (info.size, info.reachability) == (len(BODY), Reachability.ARCHIVED)
        for _ in range(2):  # a repeat changes nothing
            await store.request_restore(ref, days=7, tier="Bulk")
        info = await store.head(ref)
        assert (info.reachability, info.readable_until is None) == (Reachability.READABLE, False)
        async with store.open(ref, if_match=put.etag) as body:
            assert b"".join([bytes(piece) async for piece in body]) == BODY
    finally:
        await store.aclose()
