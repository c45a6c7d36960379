"""What is too much: sizes, quotas, rates, numbers of things."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class SizeLimitExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The file is larger than its family allows. Metadata: ``limit``, ``family``."""


class QuotaExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The owner's byte quota would be passed. Metadata: ``limit``, ``used``."""


class FileCountExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The owner's file-count quota would be passed. Metadata: ``limit``, ``used``."""


class ProjectLimitExceeded(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """A project passes a limit on files or bytes. Metadata: ``limit``, ``rule``."""


class RateLimited(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=429):
    """Too many requests; RetryInfo says when. Metadata: ``limit``, the name of what was passed."""


class Overloaded(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The service is at its limit of work in flight; RetryInfo says when."""


class DropFull(StrongroomError, code=Code.RESOURCE_EXHAUSTED, http_status=413):
    """The drop takes no more. Metadata: ``rule``."""


class WebhookLimitReached(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """The owner has as many webhooks as it may. Metadata: ``limit``."""
