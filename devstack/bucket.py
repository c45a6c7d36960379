"""The bucket: made, with versioning on, in the embedded S3; looked at, and left alone, in anybody else's."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from devstack.errors import DevstackError
from devstack.settings import ExternalS3
from devstack.stackfile import S3Entry


def client(entry: S3Entry) -> Any:
    """A boto3 S3 client for the embedded store; ignores proxies and profiles of the caller's environment."""
    config = Config(
        retries={"total_max_attempts": 5, "mode": "standard"},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        proxies={},
    )
    session = boto3.session.Session(
        aws_access_key_id=entry.access_key, aws_secret_access_key=entry.secret_key, region_name=entry.region
    )
    return session.client("s3", endpoint_url=entry.endpoint, config=config)


def ensure(entry: S3Entry) -> None:
    """Create the bucket and turn versioning on; does nothing the second time. Raises DevstackError."""
    s3 = client(entry)
    try:
        s3.create_bucket(Bucket=entry.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise DevstackError(
                f"the bucket {entry.bucket} could not be made in the embedded S3: {error}"
            ) from error
    try:
        s3.put_bucket_versioning(Bucket=entry.bucket, VersioningConfiguration={"Status": "Enabled"})
    except ClientError as error:
        raise DevstackError(
            f"versioning of the bucket {entry.bucket} could not be turned on: {error}"
        ) from error


def check_external(s3: ExternalS3) -> None:
    """Raise DevstackError, saying what to mend, unless the bucket of an external store answers."""
    session = boto3.session.Session(
        aws_access_key_id=s3.access_key or None,
        aws_secret_access_key=s3.secret_key or None,
        aws_session_token=s3.session_token or None,
        region_name=s3.region,
    )
    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2, "mode": "standard"})
    try:
        store = session.client("s3", endpoint_url=s3.endpoint, config=config, verify=s3.verify_ssl)
        store.head_bucket(Bucket=s3.bucket)
    except ClientError as error:
        raise DevstackError(_refusal(str(error.response["Error"]["Code"]), s3.bucket, s3.endpoint)) from error
    except BotoCoreError as error:
        raise DevstackError(f"the S3 server {s3.endpoint} cannot be used: {error}") from error


def _refusal(code: str, bucket: str, endpoint: str) -> str:
    if code in ("404", "NoSuchBucket"):
        return f"the bucket {bucket} does not exist at {endpoint}: create it, or set AWS_S3_BUCKET to another"
    if code in ("401", "403", "AccessDenied"):
        return (
            f"{endpoint} denies access to the bucket {bucket}: check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY, AWS_REGION and the permissions of that key"
        )
    return f"{endpoint} answered {code} when asked for the bucket {bucket}"
