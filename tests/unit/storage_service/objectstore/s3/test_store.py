"""How options become endpoints, signatures and bucket settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.s3.options import PayloadSigning, S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import BucketState, ObjectAttributes, ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import answer, failure
from tests.unit.storage_service.objectstore.s3.scripted_store import scripted

MINUTE = timedelta(minutes=1)
KEYS: dict[str, Any] = {"access_key_id": "key", "secret_access_key": "secret"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (S3Options(bucket="b", region="eu-west-1", **KEYS), "https://b.s3.eu-west-1.amazonaws.com/k"),
        (
            S3Options(bucket="b", addressing_style="path", region="eu-west-1", **KEYS),
            "https://s3.eu-west-1.amazonaws.com/b/k",
        ),
        (S3Options(bucket="b", endpoint_url="http://minio:9000", **KEYS), "http://minio:9000/b/k"),
        (
            S3Options(
                bucket="b",
                endpoint_url="http://minio:9000",
                public_endpoint_url="https://files.example",
                **KEYS,
            ),
            "https://files.example/b/k",
        ),
    ],
)
async def test_signed_urls_are_made_for_where_clients_reach_the_store(
    options: S3Options, expected: str
) -> None:
    store = open_s3_store(options)
    signed = await store.presign_get(ObjectRef("k", "v 1"), MINUTE)
    form = await store.post_form("k", ObjectAttributes(), min_size=0, max_size=1, expires=MINUTE)
    await store.aclose()
    assert signed.url.partition("?")[0] == expected
    query = parse_qs(urlsplit(signed.url).query)
    assert query["versionId"] == ["v 1"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert form.url.rstrip("/") == expected.removesuffix("/k")
    assert abs(signed.expires_at - datetime.now(UTC) - MINUTE) < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("url", "mode", "signs"),
    [
        ("https://store.example", "auto", False),
        ("http://127.0.0.1:9000", "auto", False),
        ("http://store.example", "auto", True),
        ("http://store.example", "never", False),
        ("https://store.example", "always", True),
    ],
)
async def test_bodies_are_hashed_where_nothing_else_protects_them(
    url: str, mode: PayloadSigning, signs: bool
) -> None:
    store = open_s3_store(S3Options(bucket="b", endpoint_url=url, sign_payload=mode, **KEYS))
    await store.aclose()
    assert store._context.light._signs_payload is signs


def test_checksums_of_multipart_uploads() -> None:
    modes = [
        S3Options(bucket="b").checksum_mode,
        S3Options(bucket="b", endpoint_url="http://minio").checksum_mode,
        S3Options(bucket="b", endpoint_url="https://s3.eu-west-1.amazonaws.com").checksum_mode,
        S3Options(bucket="b", multipart_checksum="off").checksum_mode,
    ]
    assert modes == ["full_object", "parts", "full_object", "off"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, True),
        ("https://s3.us-gov-west-1.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://s3.eusc-de-east-1.amazonaws.eu", True),
        ("https://s3.us-iso-east-1.c2s.ic.gov", True),
        ("https://s3.us-isob-east-1.sc2s.sgov.gov", True),
        ("https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com:443/", True),
        ("https://amazonaws.com.example.org", False),
        ("https://s3.amazonaws.com.example.org", False),
        ("https://notamazonaws.com", False),
        ("http://127.0.0.1:9000/s3.amazonaws.com", False),
    ],
)
def test_amazons_own_is_known_in_every_partition(url: str | None, expected: bool) -> None:
    assert S3Options(bucket="b", endpoint_url=url).on_aws is expected


async def test_a_clock_that_is_off_is_told_from_a_refusal() -> None:
    listing = answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    then = format_datetime(datetime.now(UTC) - timedelta(hours=3), usegmt=True)
    for steps, state in (
        ([failure(403, "RequestTimeTooSkewed")], BucketState.CLOCK_SKEWED),
        ([failure(403, "AccessDenied", Date=then)], BucketState.CLOCK_SKEWED),
        ([failure(403, "AccessDenied")], BucketState.DENIED),
        ([failure(500, "InternalError")], BucketState.UNAVAILABLE),
        ([listing, failure(404, "NoSuchKey")], BucketState.OK),
        ([listing, failure(403, "AccessDenied")], BucketState.OK),
        (
            [listing, failure(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")],
            BucketState.WRONG_REGION,
        ),
    ):
        async with scripted(*steps, max_attempts=1) as (store, _):
            assert (await store.check()).state is state


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(301, "PermanentRedirect", errors.WrongRegion), (307, "TemporaryRedirect", errors.StoreUnavailable)],
)
async def test_a_redirect_is_not_followed(status: int, code: str, told: type[errors.StoreError]) -> None:
    async with scripted(*[failure(status, code)] * 20, max_attempts=1) as (store, server):
        with pytest.raises(told):
            await store.setup.enable_versioning()
        assert len(server.requests) == 1


async def test_preparing_a_bucket() -> None:
    async with scripted(*[answer(200)] * 5, region="eu-west-1") as (store, server):
        await store.setup.create()
        await store.setup.enable_versioning()
        await store.setup.allow_origins(["https://app.example"])
        await store.setup.expire(
            temporary_prefix="temp/", temporary_days=2, hidden_days=1, incomplete_upload_days=3
        )
        await store.setup.block_public_access()
    asked = [(request.method, *request.query, request.body) for request in server.requests]
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in asked[0][-1]
    assert asked[1][1] == "versioning"
    assert b"<AllowedOrigin>https://app.example</AllowedOrigin>" in asked[2][-1]
    assert b"<DaysAfterInitiation>3</DaysAfterInitiation>" in asked[3][-1]
    assert b"<Prefix>temp/</Prefix>" in asked[3][-1]
    assert asked[4][1] == "publicAccessBlock"
    assert all("content-md5" in server.requests[n].headers for n in (2, 3))


async def test_what_a_store_lacks_is_said() -> None:
    async with scripted(failure(501, "NotImplemented"), max_attempts=1) as (store, _):
        with pytest.raises(errors.NotSupportedByStore):
            await store.setup.allow_origins(["*"])
