"""The result of ObjectStore.check if something is wrong with a real store."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import S3ObjectStore, open_s3_store
from storage_service.objectstore.values import BucketDiagnosis, BucketState
from tests.contract.objectstore.backends import PLAIN
from tests.contract.objectstore.conftest import S3Endpoint


@contextlib.asynccontextmanager
async def opened(options: S3Options) -> AsyncIterator[S3ObjectStore]:
    store = open_s3_store(replace(options, max_attempts=1, connect_timeout=2))
    try:
        yield store
    finally:
        await store.aclose()


async def diagnosis(options: S3Options) -> BucketDiagnosis:
    async with opened(options) as store:
        return await store.check()


async def test_a_good_bucket(store: ObjectStore) -> None:
    found = await store.check()
    assert (found.state, found.ok) == (BucketState.OK, True)


async def test_missing_bucket(swift_endpoint: S3Endpoint) -> None:
    found = await diagnosis(swift_endpoint.options("no-such-bucket"))
    assert found.state is BucketState.BUCKET_MISSING
    assert "AWS_S3_BUCKET" in found.message


@pytest.mark.usefixtures("opened_swift")
async def test_wrong_secret(swift_endpoint: S3Endpoint) -> None:
    found = await diagnosis(replace(swift_endpoint.options(PLAIN), secret_access_key="wrong"))
    assert found.state is BucketState.DENIED
    assert "AWS_SECRET_ACCESS_KEY" in found.message


@pytest.mark.usefixtures("opened_swift")
async def test_wrong_region(swift_endpoint: S3Endpoint) -> None:
    found = await diagnosis(replace(swift_endpoint.options(PLAIN), region="eu-central-1"))
    assert found.state is BucketState.WRONG_REGION
    assert "us-east-1" in found.message
    assert "AWS_REGION" in found.message


async def test_no_credentials(swift_endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-somebody-else")
    options = replace(swift_endpoint.options(PLAIN), access_key_id=None, secret_access_key=None)
    found = await diagnosis(options)
    assert found.state is BucketState.NO_CREDENTIALS
    assert "AWS_ACCESS_KEY_ID" in found.message


async def test_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    endpoint = S3Endpoint(f"http://127.0.0.1:{port}", "key", "very-secret")
    found = await diagnosis(endpoint.options("bucket"))
    assert found.state is BucketState.UNREACHABLE
    assert "AWS_S3_ENDPOINT_URL" in found.message
    assert str(port) not in found.message
    assert "very-secret" not in repr(endpoint.options("bucket"))
