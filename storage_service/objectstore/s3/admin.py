"""Looks at the bucket: can it be used, and is it versioned."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

from storage_service.objectstore import errors as domain
from storage_service.objectstore.errors import AccessDenied, NotSupportedByStore, ObjectNotFound, StoreError
from storage_service.objectstore.s3.context import S3Context
from storage_service.objectstore.s3.light import LightRequest
from storage_service.objectstore.s3.retry import RetryPolicy
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
    """Part of ObjectStore."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def check(self) -> BucketDiagnosis:
        """See ObjectStore.check. Where it has no answer, the waiting of others ends, too (``liveness``)."""
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
        """One try of each of two requests.

        It lists, and it gets what is not there: answers to HEAD have no body that tells the reason, and
        botocore finds its own way out of a wrong region, which the light path must not need.
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
            return _OK  # nothing there, or (it may list the bucket) under a key that its policy leaves out
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
