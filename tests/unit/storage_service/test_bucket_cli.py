"""`python -m storage_service bucket init`: what it does on stores that know everything, or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storage_service.bucket_cli import BucketSettings, init
from storage_service.objectstore.errors import AccessDenied, NotSupportedByStore
from storage_service.objectstore.s3.bucket import S3BucketSetup, policy


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def settings(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> BucketSettings:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_S3_ENDPOINT_URL": endpoint,
        "AWS_S3_BUCKET": request.node.name.replace("_", "-")[:60],
        "STRONGROOM_CORS_ORIGINS": "https://a.example, https://b.example",
        "STRONGROOM_UPLOAD_EXPIRY_SECONDS": "100000",
    }.items():
        monkeypatch.setenv(name, value)
    return BucketSettings()


def client(settings: BucketSettings) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret-key",
    )


async def test_everything_is_set(settings: BucketSettings, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert await init(settings, wait=10, show_policy=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert {line[:2] for line in lines} == {"ok"}
    s3, bucket = client(settings), settings.s3_bucket
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://a.example", "https://b.example"]
    temporary, incomplete = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (temporary["Filter"]["Prefix"], temporary["Expiration"]["Days"]) == ("temp/", 40)
    assert incomplete["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 2 + 7
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


async def test_the_lifecycle_waits_for_the_restore_window(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = settings.model_copy(update={"restore_window_seconds": 7 * 86400.0 + 1})
    assert await init(wanted, wait=10, show_policy=False) == 0
    rules = client(settings).get_bucket_lifecycle_configuration(Bucket=settings.s3_bucket)["Rules"]
    assert rules[0]["Expiration"]["Days"] == 40 + 8
    assert rules[0]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1 + 8
    assert "temp/ after 48 days" in capsys.readouterr().out


async def test_the_policy_is_printed(settings: BucketSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await init(settings, wait=10, show_policy=True) == 0
    text = capsys.readouterr().out
    assert json.loads(text[text.index("{") :]) == policy(settings.s3_bucket)


async def test_what_a_store_lacks_is_told(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lacking(*_: object, **__: object) -> None:
        raise NotSupportedByStore(http_status=501)

    for step in ("allow_origins", "expire", "block_public_access"):
        monkeypatch.setattr(S3BucketSetup, step, lacking)
    assert await init(settings, wait=10, show_policy=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["ok    "] * 2 + ["-     "] * 3
    assert all("not supported by this store" in line for line in lines[2:])


async def test_what_was_refused_fails_and_spoils_no_other(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise AccessDenied

    monkeypatch.setattr(S3BucketSetup, "enable_versioning", refused)
    assert await init(settings, wait=10, show_policy=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("FAIL  versioning is on: The object store refused access")
    assert [line[:2] for line in lines[2:]] == ["ok"] * 3


async def test_a_store_that_is_not_there(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    assert await init(gone, wait=0, show_policy=True) == 1
    assert "can't be prepared" in capsys.readouterr().err


def test_the_policy_names_the_key() -> None:
    *_, key = policy("b", "1234")["Statement"]
    assert key["Resource"] == "arn:aws:kms:*:*:key/1234"
    assert policy("b", "arn:aws:kms:eu-central-1:1:key/2")["Statement"][-1]["Resource"].startswith(
        "arn:aws:kms:eu"
    )
