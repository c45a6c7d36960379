"""Errors of what a request depends on: the object store, Postgres, the scanner, Strongroom's own services."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class SourceUrlFailed(StrongroomError, code=Code.UNAVAILABLE, http_status=502):
    """The source URL could not be read. Metadata: ``status``."""


class ObjectStoreUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The object store does not answer, or answers 5xx."""


class ObjectStoreThrottled(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The object store asks for fewer requests."""


class ObjectStoreDenied(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The object store refuses the service's credentials for this action."""


class ObjectStoreNoCredentials(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """storage_service has no S3 credentials."""


class ObjectStoreWrongRegion(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket is in another region than configured."""


class ScannerUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The scanner for malware does not answer; nothing is stored without it."""


class ObjectStoreFull(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=507):
    """The object store is full; a retry fails until its operator has freed space."""


class ObjectStoreRefused(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=502):
    """The object store rejects the request as invalid and will do so again; its operator has to look
    at it.
    """


class BucketMissing(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket does not exist."""


class BucketNotVersioned(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket has no versioning, which projects and paths need."""


class DatabaseUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """Postgres does not answer."""


class ServiceUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """One of Strongroom's services does not answer. Metadata: ``service``."""


class DeadlineExceeded(StrongroomError, code=Code.DEADLINE_EXCEEDED, http_status=504):
    """The caller's deadline has passed, or a limit of the service's own. Metadata: ``limit_seconds`` then."""


class Cancelled(StrongroomError, code=Code.CANCELLED, http_status=499):
    """The caller has disconnected."""


class Unimplemented(StrongroomError, code=Code.UNIMPLEMENTED, http_status=501, reason="NOT_IMPLEMENTED"):
    """Not in this release, or not offered by this object store. Metadata: ``feature``."""


class Internal(StrongroomError, code=Code.INTERNAL, http_status=500):
    """A bug; the log has the stack trace under the request id."""
