"""Builds the object store and its CDN from the settings.

Only this module, ``bucket_cli`` and the metrics know that the store is S3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from servicekit.s3_settings import S3Settings
from storage_service.config import reveal
from storage_service.objectstore.s3.metrics import S3Calls
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import S3ObjectStore, open_s3_store
from storage_service.reading.signer import Edge


def open_store(
    settings: S3Settings, *, on_mid_body: Callable[[str], None] | None = None, calls: S3Calls | None = None
) -> S3ObjectStore:
    """The store of ``settings``; the rest as ``open_s3_store``."""
    return open_s3_store(s3_options(settings), on_mid_body=on_mid_body, calls=calls)


def s3_options(settings: S3Settings) -> S3Options:
    """Settings → options of the adapter."""
    options = S3Options(
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        endpoint_url=settings.endpoint_url,
        public_endpoint_url=settings.s3_public_endpoint_url,
        access_key_id=reveal(settings.aws_access_key_id),
        secret_access_key=reveal(settings.aws_secret_access_key),
        session_token=reveal(settings.aws_session_token),
        use_iam_role=settings.s3_use_iam_role,
        use_ssl=settings.s3_use_ssl,
        verify_ssl=settings.s3_verify_ssl,
        addressing_style=settings.s3_addressing_style,
        sign_payload=settings.s3_sign_payload,
        kms_key_id=settings.s3_kms_key_id,
        storage_class=settings.s3_storage_class,
        conditional_writes=settings.s3_conditional_writes,
        multipart_checksum=settings.s3_multipart_checksum,
        connect_timeout=settings.s3_call_seconds / 3,
        read_timeout=settings.s3_call_seconds / 2,
        reply_timeout=settings.s3_call_seconds / 2,
        max_key_bytes=settings.s3_max_key_bytes,
    )
    if settings.s3_sse == "auto":  # AWS encrypts by default; other stores often answer 501
        return replace(options, encryption="AES256" if options.on_aws else "off")
    return replace(options, encryption=settings.s3_sse)


def edge(settings: S3Settings) -> Edge | None:
    """The CDN, if it needs signed URLs. Raises SettingError for an invalid key."""
    if settings.cloudfront_key_id is None or settings.cloudfront_private_key is None:
        return None
    # Imported only if needed: the library for keys takes megabytes.
    from storage_service.reading.cloudfront import LATEST, cloudfront_urls  # noqa: PLC0415

    private_key = settings.cloudfront_private_key.get_secret_value()
    return Edge(cloudfront_urls(settings.cloudfront_key_id, private_key), LATEST, settings.cloudfront_key_id)
