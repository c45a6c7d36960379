"""The bucket: created with versioning in the embedded S3; in an external store only checked."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from devstack import s3_request
from devstack.errors import DevstackError
from devstack.settings import ExternalS3
from devstack.stackfile import S3Entry

if TYPE_CHECKING:
    import botocore.loaders

_DENIED = ("401", "403", "AccessDenied")
_THERE: Final = ("<Code>BucketAlreadyOwnedByYou</Code>", "<Code>BucketAlreadyExists</Code>")
_VERSIONED: Final = (
    b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Status>Enabled</Status></VersioningConfiguration>"
)


def client(entry: S3Entry) -> Any:
    """A boto3 S3 client for the embedded store; ignores proxies and profiles of the caller's environment."""
    import boto3  # noqa: PLC0415 - half a second of CPU, not needed for a stack of its own
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"total_max_attempts": 5, "mode": "standard"},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        proxies={},
    )
    core = botocore.session.get_session()
    core.register_component("data_loader", _data_files())
    session = boto3.session.Session(
        entry.access_key, entry.secret_key, region_name=entry.region, botocore_session=core
    )
    return session.client("s3", endpoint_url=entry.endpoint, config=config)


@functools.cache
def _data_files() -> botocore.loaders.Loader:
    """Data of botocore about services, read and parsed once per process: 0.1 s of CPU."""
    import botocore.loaders  # noqa: PLC0415 - see client

    return botocore.loaders.create_loader()


def ensure(entry: S3Entry) -> None:
    """Create the bucket and turn versioning on; does nothing the second time. Raises DevstackError."""
    try:
        status, answer = s3_request.put(entry)
        if status != HTTPStatus.OK and not any(code in answer for code in _THERE):
            raise DevstackError(
                f"the bucket {entry.bucket} could not be made in the embedded S3: {status} {answer}"
            )
        status, answer = s3_request.put(entry, "versioning", _VERSIONED)
    except OSError as error:
        raise DevstackError(f"the embedded S3 does not answer: {error}") from error
    if status != HTTPStatus.OK:
        raise DevstackError(
            f"versioning of the bucket {entry.bucket} could not be turned on: {status} {answer}"
        )


def check_external(s3: ExternalS3) -> str:
    """Check that an external store's bucket answers and keeps versions. Returns a warning, or nothing.

    Raises DevstackError, which says what to change.
    """
    import boto3  # noqa: PLC0415 - see client
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

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
        return _versioning(store, s3)
    except ClientError as error:
        raise DevstackError(_refusal(str(error.response["Error"]["Code"]), s3.bucket, s3.endpoint)) from error
    except BotoCoreError as error:
        raise DevstackError(f"the S3 server {s3.endpoint} cannot be used: {error}") from error


def _versioning(store: Any, s3: ExternalS3) -> str:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see client

    try:
        status = store.get_bucket_versioning(Bucket=s3.bucket).get("Status")
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code in _DENIED:
            return "this key may not ask whether the bucket keeps versions: allow s3:GetBucketVersioning"
        raise DevstackError(
            f"{s3.endpoint} has no S3 Versioning ({code}), without which projects and files at a path are"
            " refused and the stack is never ready: use a store that has it, or unset AWS_S3_ENDPOINT_URL and"
            " AWS_S3_BUCKET for the embedded one"
        ) from error
    if status == "Enabled":
        return ""
    raise DevstackError(
        f"S3 Versioning of the bucket {s3.bucket} is {'suspended' if status else 'off'}: without it projects"
        " and files at a path are refused, and the stack is never ready. Turn it on: strongroom bucket init,"
        f" or aws s3api put-bucket-versioning --bucket {s3.bucket} --versioning-configuration Status=Enabled"
        f" --endpoint-url {s3.endpoint}"
    )


def _refusal(code: str, bucket: str, endpoint: str) -> str:
    if code in ("404", "NoSuchBucket"):
        return f"the bucket {bucket} does not exist at {endpoint}: create it, or set AWS_S3_BUCKET to another"
    if code in _DENIED:
        return (
            f"{endpoint} denies access to the bucket {bucket}: check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY, AWS_REGION and the permissions of that key"
        )
    return f"{endpoint} answered {code} when asked for the bucket {bucket}"
