"""The bucket: its diagnosis and versioning, its preparation (`strongroom bucket init`), and storage_service's
IAM policy.

The policy allows the calls that the adapter makes and no others. Actions:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html and "Required permissions for Amazon S3
API operations". Preparing the bucket needs more permissions, but only once, by the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError, UnknownRegionError
from botocore.session import Session

from storage_service.objectstore import errors as domain
from storage_service.objectstore.errors import AccessDenied, NotSupportedByStore, ObjectNotFound, StoreError
from storage_service.objectstore.s3.botocore_data import data_files
from storage_service.objectstore.s3.calls import RetryPolicy, S3Context
from storage_service.objectstore.s3.client import LightRequest
from storage_service.objectstore.values import BucketDiagnosis, BucketState, VersioningStatus

_STATES: list[tuple[type[StoreError], BucketState]] = [
    (domain.NoCredentials, BucketState.NO_CREDENTIALS),
    (domain.WrongRegion, BucketState.WRONG_REGION),
    (domain.BucketMissing, BucketState.BUCKET_MISSING),
    (domain.AccessDenied, BucketState.DENIED),
    (domain.ClockSkewed, BucketState.CLOCK_SKEWED),
    (domain.StoreUnreachable, BucketState.UNREACHABLE),
    (domain.StoreTimeout, BucketState.UNREACHABLE),
]
_MAX_SKEW_SECONDS = 14 * 60
_PROBE_KEY = "strongroom-check"
_OK = BucketDiagnosis(BucketState.OK, "The bucket answers.")


class S3BucketAdmin:
    """The part of ObjectStore about the bucket."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def check(self) -> BucketDiagnosis:
        """See ObjectStore.check. If the store doesn't answer, other waiting calls are ended, too
        (``liveness``).
        """
        liveness = self._context.liveness
        if liveness is None:
            return await self._look()
        try:
            async with asyncio.timeout(liveness.patience):
                found = await self._look()
        except TimeoutError:
            found = BucketDiagnosis(BucketState.UNREACHABLE, domain.StoreTimeout.advice)
        if found.state is BucketState.UNREACHABLE:
            liveness.unanswered()
        else:
            liveness.answered()
        return found

    async def _look(self) -> BucketDiagnosis:
        """Send two requests, without retries.

        They list the bucket, by botocore, and get a missing object, by the light path: a reply to HEAD has no
        body with the reason.
        """
        context = replace(self._context, retry=RetryPolicy(1), liveness=None)
        bucket = context.settings.bucket
        try:
            await context.control("ListObjectsV2", lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1))
        except StoreError as error:
            return _diagnosis(error)
        try:
            await context.fetch("GetObject", LightRequest(method="GET", key=_PROBE_KEY), lambda head: head)
        except (ObjectNotFound, AccessDenied):
            return _OK  # missing, or below a key that the policy leaves out (listing was allowed)
        except StoreError as error:
            return _diagnosis(error)
        return _OK

    async def versioning_status(self) -> VersioningStatus:
        """See ObjectStore.versioning_status."""
        bucket = self._context.settings.bucket
        try:
            reply = await self._context.control(
                "GetBucketVersioning", lambda s3: s3.get_bucket_versioning(Bucket=bucket)
            )
        except NotSupportedByStore:
            return VersioningStatus.UNSUPPORTED
        states = {"Enabled": VersioningStatus.ENABLED, "Suspended": VersioningStatus.SUSPENDED}
        return states.get(reply.get("Status", ""), VersioningStatus.OFF)


def _diagnosis(error: StoreError) -> BucketDiagnosis:
    headers = _headers_of(error)
    state = next((state for kind, state in _STATES if isinstance(error, kind)), BucketState.UNAVAILABLE)
    if state is BucketState.DENIED and _skew_seconds(headers.get("date", "")) > _MAX_SKEW_SECONDS:
        return BucketDiagnosis(BucketState.CLOCK_SKEWED, domain.ClockSkewed.advice)
    return BucketDiagnosis(state, str(error), headers.get("x-amz-bucket-region"))


def _headers_of(error: StoreError) -> dict[str, str]:
    cause = error.__cause__
    if not isinstance(cause, ClientError):
        return {}
    return dict(cause.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _skew_seconds(date: str) -> float:
    try:
        return abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


_EXPOSED_HEADERS = ["ETag", "x-amz-version-id", "x-amz-checksum-crc32c", "Content-Range", "Accept-Ranges"]


class S3BucketSetup:
    """Prepares the bucket. Each step may be repeated, and raises NotSupportedByStore if the store
    lacks it.
    """

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def create(self) -> None:
        """Create the bucket in the settings' region. Raises StoreUnavailable if it exists already."""
        settings = self._context.settings
        parameters: dict[str, Any] = {"Bucket": settings.bucket}
        if settings.region != "us-east-1":  # the default region must not be named
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": settings.region}
        await self._context.control("CreateBucket", lambda s3: s3.create_bucket(**parameters))

    async def enable_versioning(self) -> None:
        """Turn S3 Versioning on."""
        bucket = self._context.settings.bucket
        await self._context.control(
            "PutBucketVersioning",
            lambda s3: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        )

    async def allow_origins(self, origins: Sequence[str]) -> None:
        """Set CORS rules for browsers that use signed URLs."""
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
        self,
        *,
        temporary_prefix: str,
        temporary_days: int,
        hidden_days: int,
        incomplete_upload_days: int,
        transitions: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        """Set lifecycle rules as a fallback for the cleaner. All times have to be longer than the cleaner's
        own.

        ``hidden_days``: from the delete marker on, which the cleaner also sets for objects in the restore
        window. ``transitions``: prefix, age in days, storage class; they also apply to noncurrent versions,
        such as those of older project versions.
        """
        bucket = self._context.settings.bucket
        rules: list[Any] = [
            {
                "ID": "strongroom-temporary",
                "Status": "Enabled",
                "Filter": {"Prefix": temporary_prefix},
                "Expiration": {"Days": temporary_days},
                "NoncurrentVersionExpiration": {"NoncurrentDays": hidden_days},
            },
            {
                "ID": "strongroom-incomplete-uploads",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": incomplete_upload_days},
            },
        ]
        rules += [
            {
                "ID": f"strongroom-class-{number}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Transitions": [{"Days": days, "StorageClass": storage_class}],
                "NoncurrentVersionTransitions": [{"NoncurrentDays": days, "StorageClass": storage_class}],
            }
            for number, (prefix, days, storage_class) in enumerate(transitions, 1)
        ]
        await self._context.control(
            "PutBucketLifecycleConfiguration",
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket=bucket, LifecycleConfiguration={"Rules": rules}
            ),
        )

    async def block_public_access(self) -> None:
        """Forbid public ACLs and policies."""
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

    async def unblock_public_access(self) -> None:
        """Remove the block."""
        bucket = self._context.settings.bucket
        await self._context.control(
            "DeletePublicAccessBlock", lambda s3: s3.delete_public_access_block(Bucket=bucket)
        )


OF_THE_BUCKET: Final = (
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)
OF_OBJECTS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:RestoreObject",
)
OF_THE_KEY: Final = ("kms:Decrypt", "kms:GenerateDataKey")


def partition_of(region: str) -> str:
    """Return the partition in the region's ARNs: ``aws``, ``aws-us-gov``, ``aws-cn`` …; ``aws`` for unknown
    regions.
    """
    try:
        session = Session()
        session.register_component("data_loader", data_files(session.get_config_variable("data_path")))
        return str(session.get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def policy(bucket: str, kms_key_id: str | None = None, *, partition: str = "aws") -> dict[str, Any]:
    """Return the policy document for one bucket and its KMS key, if any (an ARN or a key id)."""
    arn = f"arn:{partition}:s3:::{bucket}"
    statements = [_allow("Bucket", OF_THE_BUCKET, arn), _allow("Objects", OF_OBJECTS, f"{arn}/*")]
    if kms_key_id is not None:
        key = kms_key_id if kms_key_id.startswith("arn:") else f"arn:{partition}:kms:*:*:key/{kms_key_id}"
        statements.append(_allow("Key", OF_THE_KEY, key))
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(name: str, actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Sid": f"Strongroom{name}", "Effect": "Allow", "Action": list(actions), "Resource": resource}
