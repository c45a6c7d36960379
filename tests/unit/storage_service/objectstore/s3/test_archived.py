"""Objects in an archive class, on a store that knows them (moto)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.errors import ObjectArchived
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import ObjectAttributes, ObjectRef

BODY = b"old bytes"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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
        assert (await store.head(ref)).size == len(BODY)
        for _ in range(2):  # a repeat changes nothing
            await store.request_restore(ref, days=7, tier="Bulk")
        async with store.open(ref, if_match=put.etag) as body:
            assert b"".join([bytes(piece) async for piece in body]) == BODY
    finally:
        await store.aclose()
