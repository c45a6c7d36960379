"""How storage_service reaches S3: AWS's usual names, and those that applications use today."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from servicekit.archive_classes import Transition, transitions_of
from servicekit.settings import SettingError, SettingsBase, aliases

SseMode = Literal["auto", "off", "AES256", "aws:kms"]
StorageClass = Literal[
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
]


class S3Settings(SettingsBase):
    """Credentials, bucket and dialect of the object store.

    Credentials: access key and secret key together, or ``use_iam_role`` (instance, container or web identity,
    found by botocore), never both. Without ``endpoint_url`` it is AWS. ``use_ssl`` decides the scheme of an
    endpoint without one; ``verify_ssl`` off accepts any certificate (development). ``sign_payload`` hashes
    every body (0.5 CPU s/GiB): ``auto`` does so only over plain http to another machine. ``sse`` auto: AES256
    on AWS, off on other stores, which often answer 501 to it. ``conditional_writes`` off,
    ``multipart_checksum`` other than auto: for stores that answer errors to them. ``call_seconds``: how long
    one call may wait for the store with all its tries, without the time in which bytes are transferred and
    the time of a large copy or Complete. ``s3_max_key_bytes``: the longest key of the store, counted as in a
    URL (a non-ASCII byte counts as three); 3,072 covers all of S3's 1,024. ``public_endpoint_url``: the name
    by which clients reach S3 in signed URLs; ``public_base_url``: a CDN for public files.
    ``cloudfront_key_id`` and ``cloudfront_private_key`` (PEM, or its path): the CDN is CloudFront and
    requires signatures (docs/public-files.md).
    """

    aws_access_key_id: SecretStr | None = Field(
        default=None, validation_alias=aliases("AWS_ACCESS_KEY_ID", "STRONGROOM_S3_ACCESS_KEY_ID")
    )
    aws_secret_access_key: SecretStr | None = Field(
        default=None, validation_alias=aliases("AWS_SECRET_ACCESS_KEY", "STRONGROOM_S3_SECRET_ACCESS_KEY")
    )
    aws_session_token: SecretStr | None = Field(
        default=None, validation_alias=aliases("AWS_SESSION_TOKEN", "STRONGROOM_S3_SESSION_TOKEN")
    )
    s3_region: str = Field(
        default="us-east-1",
        pattern=r"^[A-Za-z0-9._-]+$",
        validation_alias=aliases("AWS_REGION", "S3_REGION", "AWS_DEFAULT_REGION", "STRONGROOM_S3_REGION"),
    )
    s3_bucket: str = Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        validation_alias=aliases(
            "AWS_S3_BUCKET", "AWS_S3_BUCKET_NAME", "S3_BUCKET_NAME", "STRONGROOM_S3_BUCKET"
        ),
    )
    s3_endpoint_url: str | None = Field(
        default=None, validation_alias=aliases("AWS_S3_ENDPOINT_URL", "STRONGROOM_S3_ENDPOINT_URL")
    )
    s3_use_ssl: bool = Field(
        default=True, validation_alias=aliases("AWS_S3_USE_SSL", "STRONGROOM_S3_USE_SSL")
    )
    s3_verify_ssl: bool = Field(
        default=True, validation_alias=aliases("AWS_S3_VERIFY_SSL", "STRONGROOM_S3_VERIFY_SSL")
    )
    s3_use_iam_role: bool = Field(
        default=False, validation_alias=aliases("S3_USE_IAM_ROLE", "STRONGROOM_S3_USE_IAM_ROLE")
    )
    s3_sse: SseMode = "auto"
    s3_kms_key_id: str | None = None
    s3_storage_class: StorageClass | None = None
    s3_transitions: str = ""
    s3_restore_days: int = Field(default=7, ge=1, le=3650)
    s3_restore_tier: Literal["Standard", "Bulk", "Expedited"] = "Standard"
    s3_restore_look_seconds: float = Field(default=60.0, gt=0)
    s3_max_key_bytes: int = Field(default=3072, ge=256, le=3072)
    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    s3_sign_payload: Literal["auto", "always", "never"] = "auto"
    s3_public_endpoint_url: str | None = None
    s3_conditional_writes: bool = True
    s3_multipart_checksum: Literal["auto", "full_object", "composite", "parts", "off"] = "auto"
    s3_call_seconds: float = Field(default=9.0, gt=0)
    public_base_url: str | None = None
    cloudfront_key_id: str | None = None
    cloudfront_private_key: SecretStr | None = None

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """The bucket's lifecycle rules to cheaper storage classes. Raises SettingError."""
        return transitions_of(self.s3_transitions)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        self._check_credentials()
        self._check_cloudfront()
        for name, url in (
            ("AWS_S3_ENDPOINT_URL", self.endpoint_url),
            ("STRONGROOM_S3_PUBLIC_ENDPOINT_URL", self.s3_public_endpoint_url),
            ("STRONGROOM_PUBLIC_BASE_URL", self.public_base_url),
        ):
            if url is not None:
                _check_url(name, url)
        if self.s3_kms_key_id is not None and self.s3_sse != "aws:kms":
            raise SettingError("STRONGROOM_S3_SSE", "must be aws:kms when STRONGROOM_S3_KMS_KEY_ID is set")
        return self

    def _check_credentials(self) -> None:
        pair = {
            "AWS_ACCESS_KEY_ID": self.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws_secret_access_key,
        }
        missing = [name for name, value in pair.items() if value is None]
        if self.s3_use_iam_role:
            if len(missing) < len(pair):
                raise SettingError(
                    "S3_USE_IAM_ROLE", "true, but access keys are set too; unset one of the two"
                )
        elif missing:
            raise SettingError(
                missing[0],
                "not set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or S3_USE_IAM_ROLE=true where this"
                " machine has a role",
            )

    def _check_cloudfront(self) -> None:
        pair = {
            "STRONGROOM_CLOUDFRONT_KEY_ID": self.cloudfront_key_id,
            "STRONGROOM_CLOUDFRONT_PRIVATE_KEY": self.cloudfront_private_key,
        }
        missing = [name for name, value in pair.items() if value is None]
        if len(missing) == 1:
            raise SettingError(missing[0], "not set; CloudFront URLs take a key id and its private key")
        if not missing and self.public_base_url is None:
            raise SettingError(
                "STRONGROOM_PUBLIC_BASE_URL", "not set; it is the distribution that CloudFront URLs lead to"
            )

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint with its scheme; None for AWS."""
        url = self.s3_endpoint_url
        if url is None or "://" in url:
            return url
        return f"{'https' if self.s3_use_ssl else 'http'}://{url}"


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # the port is not a number
        raise SettingError(name, "not a URL like https://host or http://host:port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingError(name, "not a URL like https://host or http://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingError(name, "must contain neither credentials nor a query")
