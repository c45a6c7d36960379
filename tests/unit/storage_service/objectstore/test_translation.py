"""Callers' errors for the store's answers: nothing permanent is reported as retryable."""

from __future__ import annotations

import pytest

from storage_service.objectstore.errors import to_strongroom
from storage_service.objectstore.s3.errors import ReplyError, translate
from strongroom import errors


def _told(status: int, code: str, operation: str = "PutObject") -> errors.StrongroomError:
    reply = ReplyError(status, {}, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")
    return to_strongroom(translate(reply, operation))


@pytest.mark.parametrize(
    ("status", "code", "told", "http_status"),
    [
        (400, "KeyTooLongError", errors.PathInvalid, 422),
        (400, "KeyTooLong", errors.PathInvalid, 422),
        (400, "InvalidURI", errors.PathInvalid, 422),
        (400, "XMinioInvalidObjectName", errors.PathInvalid, 422),
        (414, "", errors.PathInvalid, 422),
        (400, "EntityTooLarge", errors.SizeLimitExceeded, 413),
        (413, "", errors.SizeLimitExceeded, 413),
        (507, "", errors.ObjectStoreFull, 507),
        (507, "InsufficientStorage", errors.ObjectStoreFull, 507),
        (403, "QuotaExceeded", errors.ObjectStoreFull, 507),
        (507, "XMinioStorageFull", errors.ObjectStoreFull, 507),
        (400, "XMinioAdminBucketQuotaExceeded", errors.ObjectStoreFull, 507),
        (400, "InvalidArgument", errors.ObjectStoreRefused, 502),
        (400, "InvalidRequest", errors.ObjectStoreRefused, 502),
        (400, "MalformedXML", errors.ObjectStoreRefused, 502),
        (411, "MissingContentLength", errors.ObjectStoreRefused, 502),
        (418, "", errors.ObjectStoreRefused, 502),
    ],
)
def test_what_will_not_pass_is_not_told_as_passing(
    status: int, code: str, told: type[errors.StrongroomError], http_status: int
) -> None:
    error = _told(status, code)
    assert type(error) is told
    assert error.http_status == http_status
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (503, ""),
        (500, "InternalError"),
        (429, ""),
        (408, "RequestTimeout"),
        (409, "OperationAborted"),
    ],
)
def test_what_may_pass_says_when(status: int, code: str) -> None:
    error = _told(status, code)
    assert error.http_status == 503
    assert error.retry_after
