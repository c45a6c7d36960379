"""Prepares a bucket: creation, versioning, CORS, lifecycle, public-access block.

For `strongroom bucket init`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage_service.objectstore.s3.context import S3Context

_EXPOSED_HEADERS = ["ETag", "x-amz-version-id", "x-amz-checksum-crc32c", "Content-Range", "Accept-Ranges"]


class S3BucketSetup:
    """Each step may be repeated; each raises NotSupportedByStore where the store lacks it."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def create(self) -> None:
        """Make the bucket in the settings' region. Raises StoreUnavailable when it exists already."""
        settings = self._context.settings
        parameters: dict[str, Any] = {"Bucket": settings.bucket}
        if settings.region != "us-east-1":  # which is the default and may not be named
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": settings.region}
        await self._context.control("CreateBucket", lambda s3: s3.create_bucket(**parameters))

    async def enable_versioning(self) -> None:
        """S3 Versioning on."""
        bucket = self._context.settings.bucket
        await self._context.control(
            "PutBucketVersioning",
            lambda s3: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        )

    async def allow_origins(self, origins: Sequence[str]) -> None:
        """CORS for browsers that use signed URLs."""
        bucket = self._context.settings.bucket
        rule: Any = {
            "AllowedOrigins": list(origins),
            "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": _EXPOSED_HEADERS,
            "MaxAgeSeconds": 3600,
        }
        await self._context.control(
            "PutBucketCors",
            lambda s3: s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]}),
        )

    async def expire(
        self, *, temporary_prefix: str, temporary_days: int, incomplete_upload_days: int
    ) -> None:
        """Lifecycle: the backstop behind the cleaner, so both times have to be longer than its own."""
        bucket = self._context.settings.bucket
        rules: list[Any] = [
            {
                "ID": "strongroom-temporary",
                "Status": "Enabled",
                "Filter": {"Prefix": temporary_prefix},
                "Expiration": {"Days": temporary_days},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            },
            {
                "ID": "strongroom-incomplete-uploads",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": incomplete_upload_days},
            },
        ]
        await self._context.control(
            "PutBucketLifecycleConfiguration",
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket=bucket, LifecycleConfiguration={"Rules": rules}
            ),
        )

    async def block_public_access(self) -> None:
        """No public ACLs or policies."""
        bucket = self._context.settings.bucket
        await self._context.control(
            "PutPublicAccessBlock",
            lambda s3: s3.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            ),
        )
