"""Every variable name in use today reaches S3, and invalid values are named."""

from __future__ import annotations

import os

import pytest

from servicekit.limits.settings import MIB, LimitSettings
from servicekit.s3_settings import S3Settings
from servicekit.settings import SettingError, SettingsBase, read_settings

GOOD = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t-key", "AWS_S3_BUCKET": "bucket"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Good settings and nothing else."""
    for name in os.environ:
        if name.upper().startswith(("STRONGROOM_", "AWS_", "S3_")) or name == "MAX_FILE_SIZE":
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_least(environment: pytest.MonkeyPatch) -> None:
    got = read_settings(S3Settings)
    assert got.aws_access_key_id is not None
    assert got.aws_access_key_id.get_secret_value() == "AKIAEXAMPLE"
    assert (got.s3_bucket, got.s3_region, got.endpoint_url) == ("bucket", "us-east-1", None)
    assert (got.s3_use_ssl, got.s3_sign_payload, got.s3_verify_ssl) == (True, "auto", True)
    assert "s3cr3t" not in repr(got)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("AWS_REGION", "eu-west-1", "s3_region", "eu-west-1"),
        ("S3_REGION", "eu-west-2", "s3_region", "eu-west-2"),
        ("AWS_S3_BUCKET_NAME", "other", "s3_bucket", "other"),
        ("S3_BUCKET_NAME", "third", "s3_bucket", "third"),
        ("STRONGROOM_S3_BUCKET", "fourth", "s3_bucket", "fourth"),
        ("AWS_S3_ENDPOINT_URL", "http://s3:9000", "endpoint_url", "http://s3:9000"),
        ("AWS_S3_ENDPOINT_URL", "s3:9000", "endpoint_url", "https://s3:9000"),
        ("AWS_S3_USE_SSL", "false", "s3_use_ssl", False),
        ("AWS_S3_VERIFY_SSL", "0", "s3_verify_ssl", False),
        ("STRONGROOM_S3_STORAGE_CLASS", "STANDARD_IA", "s3_storage_class", "STANDARD_IA"),
        ("STRONGROOM_S3_SSE", "AES256", "s3_sse", "AES256"),
        ("STRONGROOM_S3_SIGN_PAYLOAD", "always", "s3_sign_payload", "always"),
        ("STRONGROOM_PUBLIC_BASE_URL", "https://cdn.example", "public_base_url", "https://cdn.example"),
    ],
)
def test_names(environment: pytest.MonkeyPatch, name: str, value: str, field: str, expected: object) -> None:
    if field == "s3_bucket":
        environment.delenv("AWS_S3_BUCKET")
    environment.setenv(name, value)
    assert getattr(read_settings(S3Settings), field) == expected


def test_an_endpoint_without_scheme_follows_use_ssl(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_S3_ENDPOINT_URL", "localhost:9000")
    environment.setenv("AWS_S3_USE_SSL", "false")
    assert read_settings(S3Settings).endpoint_url == "http://localhost:9000"


def test_a_role_instead_of_keys(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("S3_USE_IAM_ROLE", "true")
    with pytest.raises(SettingError, match=r"^S3_USE_IAM_ROLE"):
        read_settings(S3Settings)
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    assert read_settings(S3Settings).s3_use_iam_role


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_S3_BUCKET", "", "AWS_S3_BUCKET"),
        ("AWS_S3_BUCKET", "No_Bucket", "AWS_S3_BUCKET"),
        ("AWS_S3_USE_SSL", "perhaps", "AWS_S3_USE_SSL"),
        ("AWS_S3_ENDPOINT_URL", "ftp://s3", "AWS_S3_ENDPOINT_URL"),
        ("AWS_S3_ENDPOINT_URL", "http://u:p@s3", "AWS_S3_ENDPOINT_URL"),
        ("AWS_S3_ENDPOINT_URL", "http://s3:port", "AWS_S3_ENDPOINT_URL"),
        ("AWS_S3_ENDPOINT_URL", "http://", "AWS_S3_ENDPOINT_URL"),
        ("STRONGROOM_S3_PUBLIC_ENDPOINT_URL", "s3.example", "STRONGROOM_S3_PUBLIC_ENDPOINT_URL"),
        ("STRONGROOM_PUBLIC_BASE_URL", "https://cdn/?x=1", "STRONGROOM_PUBLIC_BASE_URL"),
        ("STRONGROOM_S3_KMS_KEY_ID", "alias/key", "STRONGROOM_S3_SSE"),
        ("STRONGROOM_S3_SSE", "aes", "STRONGROOM_S3_SSE"),
        ("STRONGROOM_S3_STORAGE_CLASS", "COLD", "STRONGROOM_S3_STORAGE_CLASS"),
        ("STRONGROOM_S3_ADDRESSING_STYLE", "dns", "STRONGROOM_S3_ADDRESSING_STYLE"),
    ],
)
def test_what_is_wrong_is_named(environment: pytest.MonkeyPatch, name: str, value: str, named: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        read_settings(S3Settings)
    assert caught.value.name == named
    assert "s3cr3t" not in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_limits(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MAX_FILE_SIZE", "20MiB")
    environment.setenv("STRONGROOM_MAX_FILE_BYTES", "1048576")
    got = read_settings(LimitSettings)
    assert (got.max_event_media_bytes, got.max_file_bytes) == (20 * MIB, MIB)
    assert (got.max_project_files, got.max_temp_bytes) == (5000, 100 * MIB)


@pytest.mark.parametrize("value", ["0", "-5", "lots", "6000GiB"])
def test_limits_that_are_none(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("MAX_FILE_SIZE", value)
    with pytest.raises(SettingError, match=r"^MAX_FILE_SIZE"):
        read_settings(LimitSettings)


def test_they_combine(environment: pytest.MonkeyPatch) -> None:
    class Both(S3Settings, LimitSettings, SettingsBase):
        """S3 settings and sizes, as in storage_service."""

    assert read_settings(Both).s3_bucket == "bucket"
