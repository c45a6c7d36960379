from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from storage_service.objectstore import errors
from storage_service.objectstore.errors import StoreError, to_strongroom
from storage_service.objectstore.s3.errors import ReplyError, translate
from storage_service.objectstore.s3.http import connection

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, StoreError)]


def client_error(
    status: int, code: str, headers: dict[str, str] | None = None, **more: str
) -> boto.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": None, **more},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return boto.ClientError(response, "Operation")


@pytest.mark.parametrize(
    ("error", "kind", "unknown"),
    [
        (boto.NoCredentialsError(), errors.NoCredentials, False),
        (boto.CredentialRetrievalError(provider="iam", error_msg="x"), errors.NoCredentials, False),
        (boto.EndpointConnectionError(endpoint_url="http://internal"), errors.StoreUnreachable, False),
        (boto.SSLError(endpoint_url="https://internal", error=OSError("x")), errors.StoreUnreachable, False),
        (boto.ConnectTimeoutError(endpoint_url="http://internal"), errors.StoreTimeout, False),
        (boto.ReadTimeoutError(endpoint_url="http://internal"), errors.StoreTimeout, True),
        (boto.ConnectionClosedError(endpoint_url="http://internal"), errors.StoreUnavailable, True),
        (boto.ParamValidationError(report="x"), errors.InvalidRequest, False),
        (ResponseParserError("cut"), errors.StoreUnavailable, True),
        (connection.ConnectFailed("x", sent=False), errors.StoreUnreachable, False),
        (connection.TimedOut("x", sent=False), errors.StoreTimeout, False),
        (connection.TimedOut("x", sent=True), errors.StoreTimeout, True),
        (connection.Broken("x", sent=True), errors.StoreUnavailable, True),
        (client_error(404, "404"), errors.ObjectNotFound, False),
        (client_error(301, "301"), errors.WrongRegion, False),
        (client_error(400, "AuthorizationHeaderMalformed"), errors.WrongRegion, False),
        (client_error(403, "KMS.DisabledException"), errors.AccessDenied, False),
        (client_error(400, "KMS.DisabledException"), errors.AccessDenied, False),
        (client_error(507, "XMinioStorageFull"), errors.InsufficientStorage, False),
        (client_error(418, "Teapot"), errors.InvalidRequest, False),
        (client_error(599, "Odd"), errors.StoreUnavailable, True),
        (ReplyError(429, {}, b""), errors.StoreThrottled, False),
        (ReplyError(404, {}, b""), errors.ObjectNotFound, False),
        (ReplyError(302, {}, b""), errors.StoreUnavailable, False),
    ],
)
def test_translations(error: Exception, kind: type[StoreError], unknown: bool) -> None:
    found = translate(error, "PutObject")
    assert (type(found), found.outcome_unknown, found.operation) == (kind, unknown, "PutObject")
    assert translate(error, "ListObjectsV2").outcome_unknown is False
    assert "internal" not in str(found)


def test_facts_for_the_log() -> None:
    found = translate(
        client_error(503, "SlowDown", {"retry-after": "7", "x-amz-request-id": "r1"}), "PutObject"
    )
    assert (found.http_status, found.store_code, found.store_request_id) == (503, "SlowDown", "r1")
    assert (found.retry_after, found.retryable) == (7.0, True)


def test_the_right_region_is_named() -> None:
    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
    assert "eu-west-3" in str(translate(ReplyError(400, {}, body), "PutObject"))
    hostile = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>x; rm -rf</Region></Error>"
    assert "rm" not in str(translate(ReplyError(400, {}, hostile), "PutObject"))
    code = "AuthorizationHeaderMalformed"
    assert "eu-west-3" in str(translate(client_error(400, code, Region="eu-west-3"), "ListObjectsV2"))
    assert "rm" not in str(translate(client_error(400, code, Region="x; rm -rf"), "ListObjectsV2"))


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("PutObject", "s3:PutObject on"),
        ("UploadPart", "s3:PutObject on"),
        ("CompleteMultipartUpload", "s3:PutObject on"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload on"),
        ("ListParts", "s3:ListMultipartUploadParts on"),
        ("ListMultipartUploads", "s3:ListBucketMultipartUploads on"),
        ("ListObjectsV2", "s3:ListBucket on"),
        ("ListObjectVersions", "s3:ListBucketVersions on"),
        ("GetObject", "s3:GetObjectVersion on"),
        ("DeleteObjects", "s3:DeleteObjectVersion on"),
        ("GetBucketVersioning", "s3:GetBucketVersioning on"),
    ],
)
def test_a_missing_permission_is_named(operation: str, permission: str) -> None:
    for refused in (
        ReplyError(403, {}, b"<Error><Code>AccessDenied</Code></Error>"),
        client_error(403, "403"),
    ):
        found = translate(refused, operation)
        assert permission in str(found)
        assert type(to_strongroom(found)).http_status == 503
    wrong_key = translate(client_error(403, "InvalidAccessKeyId"), operation)
    assert "does not know these credentials" in str(wrong_key)


def test_an_option_that_the_store_lacks_is_named() -> None:
    found = translate(client_error(501, "NotImplemented"), "PutObject", option="STRONGROOM_S3_SSE")
    assert isinstance(found, errors.NotSupportedByStore)
    assert found.option == "STRONGROOM_S3_SSE"
    assert "STRONGROOM_S3_SSE" in str(found)


def test_bugs_stay_bugs() -> None:
    with pytest.raises(ZeroDivisionError):
        translate(ZeroDivisionError(), "PutObject")


def test_a_domain_error_passes_through() -> None:
    error = errors.InvalidPart()
    assert translate(error, "PutObject") is error


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_something_to_its_reader(kind: type[StoreError]) -> None:
    error = kind()
    assert len(str(error)) > 20
    assert str(error).rstrip().endswith(".")
    assert error.retryable in {True, False}


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not StoreError])
def test_users_hear_no_setting_and_the_log_does(kind: type[StoreError]) -> None:
    error = kind()
    answer = to_strongroom(error)
    assert re.search(r"AWS_|S3_|STRONGROOM_|NTP|s3:", answer.message) is None
    assert answer.advice in {"", str(error)}
    assert bool(answer.advice) == (error.told != str(error))


def test_a_wrong_bucket_is_the_operators_to_mend() -> None:
    found = to_strongroom(translate(ReplyError(404, {}, b"<Code>NoSuchBucket</Code>"), "PutObject"))
    assert (found.reason_name, found.http_status) == ("BUCKET_MISSING", 503)
    assert "AWS_S3_BUCKET" in found.advice
    assert "try again later" in found.message


def test_a_setting_that_the_store_lacks_is_no_feature_for_users() -> None:
    found = to_strongroom(
        translate(client_error(501, "NotImplemented"), "PutObject", option="STRONGROOM_S3_SSE")
    )
    assert found.metadata == {"feature": "PutObject"}
    assert "STRONGROOM_S3_SSE" in found.advice
