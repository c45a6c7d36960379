"""Translates all exceptions of drivers into ``StoreError``; no other module does.

Both ways to the store end here: botocore's exceptions, and the light path's ``ReplyError`` (an unsuccessful
reply) and ``WireError`` (no reply). Codes: Amazon S3 API Reference "Error responses", and what Swift s3api,
Ceph RGW and MinIO really answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from storage_service.objectstore import errors as domain
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.s3.http import connection

_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9_.:-]{1,100})\s*</Code>")
_REGION = re.compile(rb"<Region>\s*([a-z0-9-]{3,32})\s*</Region>")
_REGION_NAME = re.compile("[a-z0-9-]{3,32}")

_BY_CODE: dict[str, type[StoreError]] = {
    "NoSuchKey": domain.ObjectNotFound,
    "NoSuchVersion": domain.ObjectNotFound,
    "NoSuchUpload": domain.UploadNotFound,
    "NoSuchBucket": domain.BucketMissing,
    "PreconditionFailed": domain.PreconditionFailed,
    "BadDigest": domain.ChecksumMismatch,
    "InvalidDigest": domain.ChecksumMismatch,
    "XAmzContentSHA256Mismatch": domain.ChecksumMismatch,
    "XAmzContentChecksumMismatch": domain.ChecksumMismatch,
    "InvalidPart": domain.InvalidPart,
    "InvalidPartOrder": domain.InvalidPart,
    "EntityTooSmall": domain.InvalidPart,
    "EntityTooLarge": domain.EntityTooLarge,
    "EntityTooLargeException": domain.EntityTooLarge,
    "KeyTooLong": domain.KeyTooLong,
    "KeyTooLongError": domain.KeyTooLong,
    "InvalidURI": domain.KeyTooLong,  # AWS: "couldn't parse the specified URI", for keys it can't take
    "XMinioInvalidObjectName": domain.KeyTooLong,
    "InvalidRange": domain.RangeNotSatisfiable,
    "SlowDown": domain.StoreThrottled,
    "SlowDownRead": domain.StoreThrottled,
    "SlowDownWrite": domain.StoreThrottled,
    "Throttling": domain.StoreThrottled,
    "ThrottlingException": domain.StoreThrottled,
    "RequestLimitExceeded": domain.StoreThrottled,
    "TooManyRequests": domain.StoreThrottled,
    "RequestTimeout": domain.StoreTimeout,
    "InvalidObjectState": domain.ObjectArchived,
    "RestoreAlreadyInProgress": domain.RestoreUnderWay,
    "ObjectAlreadyInActiveTierError": domain.RestoreUnderWay,
    "AccessDenied": domain.AccessDenied,
    "AllAccessDisabled": domain.AccessDenied,
    "InvalidAccessKeyId": domain.AccessDenied,
    "SignatureDoesNotMatch": domain.AccessDenied,
    "RequestTimeTooSkewed": domain.ClockSkewed,
    "ExpiredToken": domain.NoCredentials,
    "ExpiredTokenException": domain.NoCredentials,
    "InvalidToken": domain.NoCredentials,
    "TokenRefreshRequired": domain.NoCredentials,
    "RequestExpired": domain.NoCredentials,
    "AuthorizationHeaderMalformed": domain.WrongRegion,
    "PermanentRedirect": domain.WrongRegion,
    "IllegalLocationConstraintException": domain.WrongRegion,
    "NotImplemented": domain.NotSupportedByStore,
    "XNotImplemented": domain.NotSupportedByStore,
    "QuotaExceeded": domain.InsufficientStorage,
    "InsufficientStorage": domain.InsufficientStorage,
    "XMinioStorageFull": domain.InsufficientStorage,
    "StorageFull": domain.InsufficientStorage,
    "XMinioAdminBucketQuotaExceeded": domain.InsufficientStorage,
    # another request on the same key was in flight; HEAD shows its effect
    "ConditionalRequestConflict": domain.StoreUnavailable,
    "OperationAborted": domain.StoreUnavailable,
    "IncompleteBody": domain.StoreUnavailable,
    "InternalError": domain.StoreUnavailable,
}

_BY_STATUS: dict[int, type[StoreError]] = {
    301: domain.WrongRegion,
    307: domain.StoreUnavailable,
    401: domain.AccessDenied,
    403: domain.AccessDenied,
    404: domain.ObjectNotFound,
    405: domain.NotSupportedByStore,
    408: domain.StoreTimeout,
    409: domain.StoreUnavailable,
    412: domain.PreconditionFailed,
    413: domain.EntityTooLarge,
    414: domain.KeyTooLong,
    416: domain.RangeNotSatisfiable,
    429: domain.StoreThrottled,
    501: domain.NotSupportedByStore,
    507: domain.InsufficientStorage,
}

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""Exceptions that reading a damaged reply raises: an invalid date, a number too large, a missing member."""

_UPLOAD_OPERATIONS = {
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
}
_NEVER_APPLIED = {"SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "IncompleteBody"}


class ReplyError(Exception):
    """The store answered with an error. ``body`` is its XML, if any."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> str | None:
        """S3's error code."""
        match = _CODE.search(self.body)
        return match[1].decode("ascii") if match else None

    @property
    def region(self) -> str | None:
        """The bucket's region, which S3 names if a request was signed for another one."""
        match = _REGION.search(self.body)
        return match[1].decode("ascii") if match else self.headers.get("x-amz-bucket-region")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a reply says about its failure."""

    status: int
    code: str | None
    headers: Mapping[str, str]
    region: str | None = None


def translate(error: Exception, operation: str, *, option: str = "", parsing: bool = False) -> StoreError:
    """Return the domain error for ``error``, raised by ``operation`` (S3's name).

    ``option``: the setting that made this request special, for NotSupportedByStore. ``parsing``: the error
    comes from reading a reply (by botocore or here), so a missing member or an invalid value is the store's
    fault. A StoreError is returned unchanged; an error that is neither the store's nor the network's (a bug)
    is raised again.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, ReplyError):
        return _from_answer(_Facts(error.status, error.code, error.headers, error.region), operation, option)
    if isinstance(error, boto.ClientError):
        return _from_answer(_client_error_facts(error), operation, option)
    if isinstance(error, connection.WireError):
        return _from_wire(error, operation)
    for classes, kind, applied in _BOTOCORE:
        if isinstance(error, classes):
            return kind(operation=operation, outcome_unknown=applied and may_change(operation))
    if parsing and isinstance(error, UNREADABLE):
        return domain.StoreUnavailable(operation=operation, outcome_unknown=may_change(operation))
    raise error


def _client_error_facts(error: boto.ClientError) -> _Facts:
    meta = error.response.get("ResponseMetadata", {})
    code = error.response.get("Error", {}).get("Code")
    status = int(meta.get("HTTPStatusCode", 0))
    # HEAD has no body: botocore then uses the status as the code
    headers = meta.get("HTTPHeaders", {})
    named = None if code in {None, "", str(status)} else str(code)
    told = str(error.response.get("Error", {}).get("Region", ""))  # botocore keeps each element of the XML
    region = told if _REGION_NAME.fullmatch(told) else headers.get("x-amz-bucket-region")
    return _Facts(status, named, headers, region)


def _from_answer(facts: _Facts, operation: str, option: str) -> StoreError:
    kind = _kind_of(facts, operation)
    known = {
        "operation": operation,
        "outcome_unknown": _outcome_unknown(facts, operation),
        "retry_after": _retry_after(facts.headers),
        "http_status": facts.status,
        "store_code": facts.code,
        "store_request_id": facts.headers.get("x-amz-request-id"),
    }
    if kind is domain.NotSupportedByStore:
        return domain.NotSupportedByStore(option, **known)
    message = _message(facts) or (_denied(operation) if kind is domain.AccessDenied else None)
    return kind(message, **known)  # type: ignore[arg-type]


def _kind_of(facts: _Facts, operation: str) -> type[StoreError]:
    if "x-amz-delete-marker" in facts.headers and facts.status in {404, 405}:
        return domain.ObjectNotFound  # reading a delete marker by its version id is a 405
    kind = _BY_CODE.get(facts.code or "") or _BY_STATUS.get(facts.status) or _by_class(facts)
    # Swift (abort of a completed upload) and Ceph (list after abort) answer NoSuchKey for an upload
    if kind is domain.ObjectNotFound and operation in _UPLOAD_OPERATIONS and operation != "UploadPartCopy":
        return domain.UploadNotFound
    return kind


def _by_class(facts: _Facts) -> type[StoreError]:
    """Return the error for codes and statuses without an entry of their own."""
    if facts.status == 503 and facts.code:
        return domain.StoreThrottled
    if (facts.code or "").startswith("KMS."):
        return domain.AccessDenied
    return domain.InvalidRequest if 400 <= facts.status < 500 else domain.StoreUnavailable


def _message(facts: _Facts) -> str | None:
    code = facts.code or ""
    if code.startswith("KMS."):
        return "The object store may not use the KMS key; check STRONGROOM_S3_KMS_KEY_ID and its policy."
    if code in {"SignatureDoesNotMatch", "InvalidAccessKeyId"}:
        keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return f"The object store does not know these credentials; check {keys}."
    if code in {"InvalidURI", "XMinioInvalidObjectName"}:
        return "The object store can't hold a file of this path; rename it."
    if code == "ExpiredToken":
        return "The credentials for the object store have expired; renew them."
    if facts.region and (_BY_CODE.get(code) is domain.WrongRegion or facts.status == 301):
        return f"The bucket is in region {facts.region}; set AWS_REGION (S3_REGION) to it."
    return None


#: Permissions that an operation needs if they differ from its name (Amazon S3 User Guide, "Required
#: permissions for Amazon S3 API operations").
_PERMISSIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "GetObject": "s3:GetObject and s3:GetObjectVersion",
    "HeadObject": "s3:GetObject, s3:GetObjectVersion and s3:ListBucket",
    "CopyObject": "s3:GetObject, s3:GetObjectVersion and s3:PutObject",
    "UploadPartCopy": "s3:GetObject, s3:GetObjectVersion and s3:PutObject",
    "DeleteObject": "s3:DeleteObject and s3:DeleteObjectVersion",
    "DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
    "HeadBucket": "s3:ListBucket",
    "PutBucketCors": "s3:PutBucketCORS",
    "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}


def _denied(operation: str) -> str:
    permissions = _PERMISSIONS.get(operation, f"s3:{operation}")
    return (
        f"The object store refused access ({operation}): the policy of its credentials (AWS_ACCESS_KEY_ID, or"
        f" the role) must allow {permissions} on the bucket and its objects."
    )


def _outcome_unknown(facts: _Facts, operation: str) -> bool:
    if not may_change(operation) or facts.code in _NEVER_APPLIED or facts.status in {501, 507}:
        return False
    return facts.status >= 500 or facts.status in {200, 408, 409}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def _from_wire(error: connection.WireError, operation: str) -> StoreError:
    kind: type[StoreError] = domain.StoreUnavailable
    if isinstance(error, connection.ConnectFailed):
        kind = domain.StoreUnreachable
    elif isinstance(error, connection.TimedOut):
        kind = domain.StoreTimeout
    return kind(operation=operation, outcome_unknown=error.sent and may_change(operation))


_BOTOCORE: list[tuple[tuple[type[Exception], ...], type[StoreError], bool]] = [
    # exceptions, what they mean, whether the request may have been applied
    ((boto.NoCredentialsError, boto.PartialCredentialsError), domain.NoCredentials, False),
    ((boto.CredentialRetrievalError, boto.RefreshWithMFAUnsupportedError), domain.NoCredentials, False),
    ((boto.ConnectTimeoutError,), domain.StoreTimeout, False),
    ((boto.ReadTimeoutError,), domain.StoreTimeout, True),
    ((boto.EndpointConnectionError, boto.SSLError), domain.StoreUnreachable, False),
    # closed connections, and replies that are cut or altered
    ((boto.HTTPClientError, boto.IncompleteReadError, ResponseParserError), domain.StoreUnavailable, True),
    ((boto.BotoCoreError,), domain.InvalidRequest, False),
]


def may_change(operation: str) -> bool:
    """Whether an operation with an unknown outcome may have changed something."""
    return not operation.startswith(("Get", "Head", "List"))
