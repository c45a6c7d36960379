"""`python -m storage_service bucket init` on stores that support everything, or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from devstack import bucket
from devstack.stackfile import S3Entry
from storage_service.bucket_cli import init
from storage_service.config import BucketSettings
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import AccessDenied, NotSupportedByStore
from storage_service.objectstore.s3.bucket import S3BucketSetup, partition_of, policy
from storage_service.objectstore.s3.store import S3ObjectStore
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse

#: Output of the trial of a bucket on moto, which accepts any checksum.
TRIED = [
    "ok    a file can be written",
    "ok    it is read back, whole and in part",
    (
        "-     checksums are verified by the store: it has taken a file with a wrong checksum; the service"
        " compares what it reads, but hears of damage on the way to the store only then"
    ),
    "ok    a name that is taken is not written over (If-None-Match)",
    "ok    large files arrive in parts",
    "ok    files are copied inside of the store",
    "ok    versions are kept, and each can be removed by itself",
    "ok    what was tried is removed again",
]


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
        "AWS_S3_BUCKET": re.sub(r"[^a-z0-9]+", "-", request.node.name)[:60].strip("-"),
        "STRONGROOM_CORS_ORIGINS": "https://a.example, https://b.example",
        "STRONGROOM_UPLOAD_EXPIRY_SECONDS": "100000",
        "STRONGROOM_S3_TRANSITIONS": "path=30:STANDARD_IA,all=365:DEEP_ARCHIVE",
    }.items():
        monkeypatch.setenv(name, value)
    return BucketSettings()


def client(settings: BucketSettings) -> Any:
    return bucket.client(
        S3Entry(str(settings.endpoint_url), settings.s3_bucket, "key", "secret-key", "us-east-1", [])
    )


async def test_everything_is_set(settings: BucketSettings, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert await init(settings, wait=60, show_policy=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == [*["ok"] * 5, *[line[:2] for line in TRIED], "- "] * 2
    assert "whose it is: left alone; STRONGROOM_INTERNAL_SECRET is not set" in lines[-1]
    s3, name = client(settings), settings.s3_bucket
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_cors(Bucket=name)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://a.example", "https://b.example"]
    temporary, incomplete, path, everything = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert (temporary["Filter"]["Prefix"], temporary["Expiration"]["Days"]) == ("temp/", 40)
    assert incomplete["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 2 + 7
    assert (path["Filter"]["Prefix"], everything["Filter"]["Prefix"]) == ("paths/", "")
    assert path["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert everything["NoncurrentVersionTransitions"] == [
        {"NoncurrentDays": 365, "StorageClass": "DEEP_ARCHIVE"}
    ]
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())


async def test_the_lifecycle_waits_for_the_restore_window(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = settings.model_copy(update={"restore_window_seconds": 7 * 86400.0 + 1})
    assert await init(wanted, wait=60, show_policy=False) == 0
    rules = client(settings).get_bucket_lifecycle_configuration(Bucket=settings.s3_bucket)["Rules"]
    assert rules[0]["Expiration"]["Days"] == 40 + 8
    assert rules[0]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1 + 8
    assert "temp/ after 48 days" in capsys.readouterr().out


async def test_the_policy_is_printed(settings: BucketSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await init(settings, wait=60, show_policy=True) == 0
    text = capsys.readouterr().out
    assert json.loads(text[text.index("{") :]) == policy(settings.s3_bucket)


async def test_what_a_store_lacks_is_told(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lacking(*_: object, **__: object) -> None:
        raise NotSupportedByStore(http_status=501)

    for step in ("allow_origins", "expire", "block_public_access"):
        monkeypatch.setattr(S3BucketSetup, step, lacking)
    assert await init(settings, wait=60, show_policy=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines[:5]] == ["ok    "] * 2 + ["-     "] * 3
    assert all("not supported by this store" in line for line in lines[2:5])


async def test_what_was_refused_fails_and_spoils_no_other(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise AccessDenied

    monkeypatch.setattr(S3BucketSetup, "enable_versioning", refused)
    assert await init(settings, wait=60, show_policy=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("FAIL  versioning is on: The object store refused access")
    assert [line[:2] for line in lines[2:5]] == ["ok"] * 3


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


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-northwest-1", "aws-cn"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
        ("default", "aws"),  # Ceph's
        ("", "aws"),
    ],
)
def test_the_policy_is_of_the_regions_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition
    of_bucket, objects, key = policy("b", "1234", partition=partition)["Statement"]
    assert of_bucket["Resource"] == f"arn:{partition}:s3:::b"
    assert objects["Resource"] == f"arn:{partition}:s3:::b/*"
    assert key["Resource"] == f"arn:{partition}:kms:*:*:key/1234"


async def test_init_ends_with_a_try(settings: BucketSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Moto accepts any checksum, and its copies and versions work."""
    assert await init(settings, wait=60, show_policy=False) == 0
    assert capsys.readouterr().out.splitlines()[5:-1] == TRIED
    versions = client(settings).list_object_versions(Bucket=settings.s3_bucket)
    assert "Versions" not in versions
    assert "DeleteMarkers" not in versions
    assert not client(settings).list_multipart_uploads(Bucket=settings.s3_bucket).get("Uploads")


async def test_without_versions_projects_are_told_to_be_refused(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lacking(*_: object) -> None:
        raise NotSupportedByStore(http_status=501)

    monkeypatch.setattr(S3BucketSetup, "enable_versioning", lacking)
    assert await init(settings, wait=60, show_policy=False) == 0
    said = "\n".join(capsys.readouterr().out.splitlines())
    assert "-     versions are kept" in said
    assert "BUCKET_NOT_VERSIONED" in said
    assert "Versions" not in client(settings).list_object_versions(Bucket=settings.s3_bucket)


@pytest.mark.parametrize("method", ["put", "open", "create", "copy", "delete"])
async def test_what_the_service_may_not_do_fails_by_name(
    method: str, settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise AccessDenied

    monkeypatch.setattr(S3ObjectStore, method, refused)
    assert await init(settings, wait=60, show_policy=False) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert said
    assert all("refused access" in line for line in said)


async def test_a_block_of_public_access_that_blocks_us_is_taken_back(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ceph 16 refuses every write to a bucket whose public access is blocked."""
    put, s3 = S3ObjectStore.put, client(settings)

    async def as_ceph(store: S3ObjectStore, *args: Any, **options: Any) -> Any:
        with suppress(s3.exceptions.ClientError):
            s3.get_public_access_block(Bucket=settings.s3_bucket)
            raise AccessDenied
        return await put(store, *args, **options)

    monkeypatch.setattr(S3ObjectStore, "put", as_ceph)
    assert await init(settings, wait=60, show_policy=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "the block was taken back" in lines[5]
    assert lines[6:-1] == TRIED


async def test_a_block_that_is_not_the_cause_stays(
    settings: BucketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise AccessDenied

    monkeypatch.setattr(S3ObjectStore, "put", refused)
    assert await init(settings, wait=60, show_policy=False) == 1
    assert client(settings).get_public_access_block(Bucket=settings.s3_bucket)


def asking(settings: BucketSettings, monkeypatch: pytest.MonkeyPatch, answer: Any) -> BucketSettings:
    """Return the settings of a service whose metadata_service gives this answer (or error)."""

    async def installation(_: VerificationRecords) -> GetInstallationResponse:
        if isinstance(answer, Exception):
            raise answer
        return GetInstallationResponse(
            installation_id=answer, schema_revision="7", expected_revision="7", has_committed=False
        )

    monkeypatch.setattr(VerificationRecords, "installation", installation)
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "s" * 32)
    monkeypatch.setenv("STRONGROOM_INTERNAL_SECRET", "s" * 32)
    return BucketSettings()


async def test_whose_it_is_is_written_down(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert await init(asking(settings, monkeypatch, "mine"), wait=60, show_policy=False) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "ok    it belongs to installation mine"
    body = client(settings).get_object(Bucket=settings.s3_bucket, Key=".strongroom/installation.json")
    assert json.load(body["Body"])["installation_id"] == "mine"
    assert await init(asking(settings, monkeypatch, "other"), wait=60, show_policy=False) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "FAIL  whose it is: The bucket belongs to installation mine, and the database to other"
    )


async def test_whose_it_is_waits_for_metadata_service(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ServiceUnavailable("metadata_service can't be reached.")
    assert await init(asking(settings, monkeypatch, away), wait=60, show_policy=False) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "-     whose it is: left alone; metadata_service can't be reached. (storage_service"
    )


async def test_whose_it_is_needs_the_services_settings(
    settings: BucketSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking(settings, monkeypatch, "mine")
    monkeypatch.delenv("STRONGROOM_JWT_SECRET")
    assert await init(BucketSettings(), wait=60, show_policy=False) == 0
    assert "settings are not complete here" in capsys.readouterr().out.splitlines()[-1]
