"""Typed errors: one class per ``strongroom.type.v1.ErrorReason``, named after it.

The comment at each value of ``error_reason.proto`` states the gRPC status, the HTTP status and the ErrorInfo
metadata keys; the classes say the same, which a test compares. ``UNIMPLEMENTED`` names the class of
``NOT_IMPLEMENTED``, because Python has a ``NotImplemented`` of its own.

``raise FileNotFound("There is no file with this key.")`` in a service becomes a status with ErrorInfo;
``from_rpc_error`` turns it back into the same class at the caller.
"""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.error_base import REASONS, StrongroomError, Violation
from strongroom.error_wire import from_rpc_error, from_status_proto, to_status_proto

__all__ = [
    "REASONS",
    "ActInProgress",
    "AlreadyExists",
    "ArchiveInvalid",
    "BucketMissing",
    "BucketNotVersioned",
    "Cancelled",
    "ChecksumMismatch",
    "ChunkTooLarge",
    "ContentInfected",
    "ContentTypeMismatch",
    "ContentTypeNotAllowed",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "DropFull",
    "FileCountExceeded",
    "FileNotFound",
    "IdempotencyKeyReused",
    "Internal",
    "InternalTokenInvalid",
    "InvalidField",
    "InvalidPageToken",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotFound",
    "ObjectArchived",
    "ObjectLost",
    "ObjectStoreDenied",
    "ObjectStoreFull",
    "ObjectStoreNoCredentials",
    "ObjectStoreRefused",
    "ObjectStoreThrottled",
    "ObjectStoreUnavailable",
    "ObjectStoreWrongRegion",
    "OffsetOutOfRange",
    "Overloaded",
    "PathInvalid",
    "PermissionDenied",
    "PictureRefused",
    "PreconditionFailed",
    "ProjectLimitExceeded",
    "ProjectNotFound",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "RateLimited",
    "RepairRefused",
    "RequestInProgress",
    "RetentionHeld",
    "ScannerUnavailable",
    "ServiceUnavailable",
    "ShareEnded",
    "ShareLocked",
    "ShareNotFound",
    "SharePasswordWrong",
    "SizeLimitExceeded",
    "SizeMismatch",
    "SourceUrlFailed",
    "SourceUrlRefused",
    "StrongroomError",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "Unimplemented",
    "UnsupportedMediaType",
    "UploadExpired",
    "UploadIncomplete",
    "UploadLost",
    "UploadNotFound",
    "UploadSuperseded",
    "UserBeingErased",
    "UserMismatch",
    "VersionConflict",
    "VersionNotFound",
    "Violation",
    "WebhookLimitReached",
    "WebhookNotFound",
    "from_rpc_error",
    "from_status_proto",
    "to_status_proto",
]


class TokenMissing(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """No bearer token was sent."""


class TokenInvalid(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """The token is malformed, wrongly signed, or a claim is refused. Metadata: ``claim``."""


class TokenExpired(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """The token's ``exp`` has passed."""


class PermissionDenied(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The caller may not do this at all (an internal RPC, an admin action)."""


class UserMismatch(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """A ``user_id`` other than the caller's own, without the admin role."""


class SharePasswordWrong(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The share has a password, and it is not this one."""


class ShareLocked(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The share has to be opened first. Metadata: ``needs``."""


class InternalTokenInvalid(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """One service refuses another's credential (secrets or clocks differ); its log says why.

    Metadata: ``cause``, ``seconds``.
    """


class UserBeingErased(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """All that this user has stored is being erased; nothing new is stored until that has ended."""


class MalformedRequest(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The request can't be parsed (JSON, multipart framing, a header)."""


class InvalidField(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """A field breaks its rule. Metadata: ``field``, ``rule``."""


class UploadIncomplete(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The stream or body ended before ``finish_write`` or the final boundary."""


class SizeMismatch(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=400):
    """The bytes received are not as many as were declared. Metadata: ``expected``, ``actual``."""


class ChecksumMismatch(StrongroomError, code=Code.DATA_LOSS, http_status=422):
    """The bytes received don't match a checksum that was sent.

    Metadata: ``algorithm``, ``expected``, ``actual``.
    """


class ChunkTooLarge(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=413):
    """One gRPC message carries more data than allowed. Metadata: ``limit``."""


class InvalidPageToken(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The page token is not one of ours, or belongs to another query."""


class UnsupportedMediaType(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=415):
    """The request's own media type is not one the route takes. Metadata: ``expected``."""


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


class ContentTypeMismatch(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The bytes are not of the type that was declared. Metadata: ``declared``, ``detected``."""


class ContentTypeNotAllowed(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The type is not on the family's list. Metadata: ``detected``, ``allowed``."""


class ContentInfected(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The scanner for malware has found something: in what was sent, which is not stored, or in a file that
    was stored before its signature was known. Metadata: ``signature``.
    """


class ArchiveInvalid(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The ZIP breaks a rule. Metadata: ``rule``, ``entry``."""


class PathInvalid(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """A path breaks a rule. Metadata: ``path``, ``rule``."""


class PictureRefused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The picture has too many pixels, or is none. Metadata: ``rule``, ``limit``, ``width``, ``height``."""


class FileNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such file for this caller."""


class UploadNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such upload for this caller."""


class ProjectNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such project for this caller."""


class VersionNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such version of the file or project."""


class ShareNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such share, or it is somebody else's."""


class ShareEnded(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=410):
    """The share opens nothing any more. Metadata: ``cause``."""


class AlreadyExists(StrongroomError, code=Code.ALREADY_EXISTS, http_status=409):
    """The name is taken."""


class RequestInProgress(StrongroomError, code=Code.ABORTED, http_status=409):
    """A request with the same idempotency key is still running; RetryInfo says when."""


class IdempotencyKeyReused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The idempotency key was used before, for another request."""


class VersionConflict(StrongroomError, code=Code.ABORTED, http_status=409):
    """The project is at another version than expected. Metadata: ``expected``, ``actual``."""


class PreconditionFailed(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=412):
    """If-Match, If-None-Match or if_generation_match does not hold. Metadata: ``actual``; ``of``: ``source``
    where that of a move is meant, and not its target.
    """


class UploadSuperseded(StrongroomError, code=Code.ABORTED, http_status=409):
    """A newer writer has taken this upload over, or its lease has run out."""


class OffsetOutOfRange(StrongroomError, code=Code.OUT_OF_RANGE, http_status=409):
    """The chunk starts past what is persisted. Metadata: ``persisted_size``."""


class RangeNotSatisfiable(StrongroomError, code=Code.OUT_OF_RANGE, http_status=416):
    """No byte of the range exists. Metadata: ``size``."""


class UploadExpired(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=410):
    """The upload lay still for too long and was removed."""


class UploadLost(StrongroomError, code=Code.DATA_LOSS, http_status=410):
    """The store no longer has the upload's parts; start again."""


class SourceUrlRefused(StrongroomError, code=Code.INVALID_ARGUMENT, http_status=422):
    """The source URL is refused (scheme, port, address, credentials). Metadata: ``rule``."""


class SourceUrlFailed(StrongroomError, code=Code.UNAVAILABLE, http_status=502):
    """The source URL could not be read. Metadata: ``status``."""


class ObjectStoreUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The object store does not answer, or answers 5xx."""


class ObjectStoreThrottled(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The object store asks to slow down."""


class ObjectStoreDenied(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The object store refuses our credentials for this action."""


class ObjectStoreNoCredentials(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """storage_service has no S3 credentials."""


class ObjectStoreWrongRegion(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket is in another region than configured."""


class ScannerUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """The scanner for malware does not answer, and nothing is stored without it."""


class ObjectStoreFull(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=507):
    """The object store has no room; trying again does not help before its operator has made some."""


class ObjectStoreRefused(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=502):
    """The object store finds our request invalid and will again; its operator has to look at it."""


class BucketMissing(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket does not exist."""


class BucketNotVersioned(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """The bucket has no versioning, which projects and paths need."""


class ObjectLost(StrongroomError, code=Code.DATA_LOSS, http_status=500):
    """A committed object is missing or changed in the store."""


class RepairRefused(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """Nothing is verified or repaired: what belongs together is not together, or too much is wrong."""


class ActInProgress(StrongroomError, code=Code.ABORTED, http_status=409):
    """An admin is just about to change objects; RetryInfo says when to try again. Metadata: ``act``."""


class DatabaseUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """Postgres does not answer."""


class ServiceUnavailable(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """One of Strongroom's services does not answer. Metadata: ``service``."""


class DeadlineExceeded(StrongroomError, code=Code.DEADLINE_EXCEEDED, http_status=504):
    """The caller's deadline passed; or a limit of the service's own has. Metadata: ``limit_seconds`` then."""


class Cancelled(StrongroomError, code=Code.CANCELLED, http_status=499):
    """The caller went away."""


class Unimplemented(StrongroomError, code=Code.UNIMPLEMENTED, http_status=501, reason="NOT_IMPLEMENTED"):
    """Not in this release, or not offered by this object store. Metadata: ``feature``."""


class Internal(StrongroomError, code=Code.INTERNAL, http_status=500):
    """A bug; the log has the stack under the request id."""


class NotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """No such route or resource."""


class MethodNotAllowed(StrongroomError, code=Code.UNIMPLEMENTED, http_status=405):
    """The route exists, but not with this method. Metadata: ``allow``."""


class ObjectArchived(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=503):
    """Its bytes are being brought back from an archive class of the store; RetryInfo says when to ask."""


class RetentionHeld(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=423):
    """It is kept until a time (metadata: ``until``) or on legal hold (``hold``): it stays as it is."""


class WebhookNotFound(StrongroomError, code=Code.NOT_FOUND, http_status=404):
    """The caller has no such webhook, or it no such delivery."""


class WebhookLimitReached(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """The owner has as many webhooks as it may. Metadata: ``limit``."""
