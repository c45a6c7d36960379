"""Errors of limits: sizes, quotas, rates, counts."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class SizeLimitExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The file is larger than its family allows. Metadata: ``limit``, ``family``."""


class QuotaExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The owner's byte quota would be exceeded. Metadata: ``limit``, ``used``."""


class FileCountExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The owner's file-count quota would be exceeded. Metadata: ``limit``, ``used``."""


class ProjectLimitExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """A project exceeds a limit on files or bytes. Metadata: ``limit``, ``rule``."""


class RateLimited(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=429):
    """Too many requests; RetryInfo says when to retry. Metadata: ``limit``, the name of the exceeded
    limit.
    """


class Overloaded(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The service has too much work in progress; RetryInfo says when to retry. Metadata: ``limit``, for tus
    uploads only: the caller has exceeded that limit, as in RateLimited.
    """


class DropFull(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The drop takes no more. Metadata: ``rule``."""


class WebhookLimitReached(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """The owner has the maximum number of webhooks. Metadata: ``limit``."""
