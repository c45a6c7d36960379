"""Checks S3 itself, with the settings that storage_service would read from this environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

from strongroom.cli.doctor.findings import Finding, fail, ok, warn
from strongroom.cli.doctor.optional import load

PREFIX = "strongroom-doctor/"
BUCKET_NAMES = ("AWS_S3_BUCKET", "AWS_S3_BUCKET_NAME", "S3_BUCKET_NAME", "STRONGROOM_S3_BUCKET")
REGION_NAMES = ("AWS_REGION", "S3_REGION", "AWS_DEFAULT_REGION", "STRONGROOM_S3_REGION")
#: S3 refuses signatures from 15 minutes on (RequestTimeTooSkewed).
SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 60, 900

CREDENTIALS_MEND = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or S3_USE_IAM_ROLE=true"
)
POLICY_MEND = (
    "allow s3:PutObject, s3:GetObject, s3:GetObjectVersion, s3:DeleteObject, "
    "s3:DeleteObjectVersion, s3:ListBucket, "
    "s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:ListMultipartUploadParts, "
    "s3:AbortMultipartUpload and "
    "s3:GetBucketVersioning on the bucket and its objects"
)
#: How to fix an error, by S3's error code.
MENDS = {
    "NoSuchBucket": "create the bucket, or correct AWS_S3_BUCKET",
    "404": "create the bucket, or correct AWS_S3_BUCKET",
    "InvalidAccessKeyId": CREDENTIALS_MEND,
    "SignatureDoesNotMatch": f"the secret key does not belong to the access key; {CREDENTIALS_MEND}",
    "ExpiredToken": "the session token has expired; get new credentials",
    "RequestTimeTooSkewed": "set this machine's clock (chronyd, systemd-timesyncd)",
    "AccessDenied": POLICY_MEND,
    "403": f"the credentials are wrong, or may not use the bucket; {POLICY_MEND}",
}


def first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return the first of the variables that is set; empty if none is."""
    return next((environ[name] for name in names if environ.get(name)), "")


def look_at_s3(environ: Mapping[str, str]) -> list[Finding]:
    """Check credentials, region, bucket, clock, versioning and permissions.

    Returns nothing if no bucket is set. Blocks.
    """
    bucket = first(environ, BUCKET_NAMES)
    if not bucket:
        return []
    boto3, config, exceptions = load("boto3"), load("botocore.config"), load("botocore.exceptions")
    if boto3 is None or config is None or exceptions is None:
        return [
            warn(
                "S3 itself",
                "boto3 is not installed here",
                "pip install boto3, to look at the bucket directly",
            )
        ]
    session = boto3.session.Session()
    if session.get_credentials() is None:
        return [fail("S3 credentials", "none were found", CREDENTIALS_MEND)]
    client = session.client(
        "s3",
        region_name=first(environ, REGION_NAMES) or "us-east-1",
        endpoint_url=_endpoint(environ),
        verify=None if _is_on(environ, "AWS_S3_VERIFY_SSL") else False,
        config=config.Config(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 2},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": environ.get("STRONGROOM_S3_ADDRESSING_STYLE") or "auto"},
        ),
    )
    try:
        return _Bucket(client, bucket, (exceptions.BotoCoreError, exceptions.ClientError)).examine()
    finally:
        client.close()


def _endpoint(environ: Mapping[str, str]) -> str | None:
    url = environ.get("AWS_S3_ENDPOINT_URL") or environ.get("STRONGROOM_S3_ENDPOINT_URL")
    if not url or "://" in url:
        return url or None
    return f"{'https' if _is_on(environ, 'AWS_S3_USE_SSL') else 'http'}://{url}"


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "true").strip().lower() not in {"0", "false", "no", "off"}


@dataclass(frozen=True)
class _Bucket:
    client: Any
    name: str
    expected: tuple[type[Exception], ...]

    def examine(self) -> list[Finding]:
        try:
            answer = self.client.head_bucket(Bucket=self.name)
        except self.expected as error:
            return [self._unreachable(error)]
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        findings = [self._region(headers), _clock(headers.get("date", ""))]
        return [*findings, self._versioning(), *self._permissions()]

    def _region(self, headers: Mapping[str, str]) -> Finding:
        actual, ours = headers.get("x-amz-bucket-region"), self.client.meta.region_name
        if actual and actual != ours:
            return fail("S3 bucket", f"{self.name} is in {actual}, not in {ours}", f"set AWS_REGION={actual}")
        return ok("S3 bucket", f"{self.name} at {self.client.meta.endpoint_url}, {actual or ours}")

    def _unreachable(self, error: Exception) -> Finding:
        response = getattr(error, "response", None)
        if response is None:
            return fail(
                "S3 bucket", str(error), "is AWS_S3_ENDPOINT_URL right, and can this machine reach it?"
            )
        region = response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
        if region and region != self.client.meta.region_name:
            return fail("S3 bucket", f"{self.name} is in {region}", f"set AWS_REGION={region}")
        reason = self._reason(response["Error"])
        code = str(reason.get("Code", ""))
        detail = f"{self.name}: {reason.get('Message') or code}"
        return fail("S3 bucket", detail, MENDS.get(code, "look at the S3 server's log"))

    def _reason(self, error: dict[str, str]) -> dict[str, str]:
        """Return the reason of a 403: a reply to HEAD has no body with it, so a GET is made."""
        if error.get("Code") != "403":
            return error
        try:
            self.client.list_objects_v2(Bucket=self.name, MaxKeys=1)
        except self.expected as refused:
            why: dict[str, str] = getattr(refused, "response", {}).get("Error", error)
            return why
        return error

    def _versioning(self) -> Finding:
        try:
            status = self.client.get_bucket_versioning(Bucket=self.name).get("Status")
        except self.expected as error:
            return warn("S3 versioning", f"can't be read: {error}", POLICY_MEND)
        if status == "Enabled":
            return ok("S3 versioning", "on")
        turn_on = (
            f"aws s3api put-bucket-versioning --bucket {self.name} --versioning-configuration Status=Enabled"
        )
        found = (status or "off").lower()
        return warn("S3 versioning", f"{found}; projects and files at a path are refused without it", turn_on)

    def _permissions(self) -> list[Finding]:
        key = f"{PREFIX}{uuid4()}"
        steps: list[tuple[str, Callable[[], object]]] = [
            ("write", lambda: self.client.put_object(Bucket=self.name, Key=key, Body=b"strongroom doctor")),
            ("read", lambda: self._read(key)),
            ("list", lambda: self.client.list_objects_v2(Bucket=self.name, Prefix=PREFIX, MaxKeys=1)),
            ("multipart", lambda: self._multipart(f"{key}-parts")),
            ("abort multipart", lambda: self._abort(f"{key}-aborted")),
            ("delete", lambda: self._remove(key)),
            ("delete", lambda: self._remove(f"{key}-parts")),
        ]
        refused: dict[str, Exception] = {}
        for name, step in steps:
            try:
                step()
            except self.expected as error:
                refused.setdefault(name, error)
            except _WrongBytes as error:
                return [
                    fail(
                        "S3 permissions",
                        str(error),
                        "the store returns other bytes than were written; don't use it",
                    )
                ]
        if not refused:
            return [ok("S3 permissions", "write, read, list, multipart, abort, delete")]
        return [_refusal(name, error) for name, error in refused.items()]

    def _read(self, key: str) -> None:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        if body != b"strongroom doctor":
            raise _WrongBytes(f"{key} was read back as {len(body)} other bytes")

    def _multipart(self, key: str) -> None:
        of = {"Bucket": self.name, "Key": key}
        upload = self.client.create_multipart_upload(**of)["UploadId"]
        try:
            self._complete(key, upload)
        except self.expected:
            with contextlib.suppress(*self.expected):  # may be denied, too; then the next step reports it
                self.client.abort_multipart_upload(**of, UploadId=upload)
            raise

    def _abort(self, key: str) -> None:
        upload = self.client.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
        try:
            self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
        except self.expected:
            with contextlib.suppress(*self.expected):  # then complete and delete it
                self._complete(key, upload)
                self._remove(key)
            raise

    def _complete(self, key: str, upload: str) -> None:
        of = {"Bucket": self.name, "Key": key, "UploadId": upload}
        part = self.client.upload_part(**of, PartNumber=1, Body=b"strongroom doctor")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.client.complete_multipart_upload(**of, MultipartUpload=parts)

    def _remove(self, key: str) -> None:
        """Delete every version: a plain delete would leave a delete marker and the bytes in a versioned
        bucket.
        """
        found = self.client.list_object_versions(Bucket=self.name, Prefix=key)
        of_key = [
            one for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, ()) if one["Key"] == key
        ]
        for one in of_key:
            self.client.delete_object(Bucket=self.name, Key=key, VersionId=one["VersionId"])
        if not of_key:
            self.client.delete_object(Bucket=self.name, Key=key)


class _WrongBytes(Exception):
    """The bytes read differ from those written."""


def _refusal(name: str, error: Exception) -> Finding:
    response = getattr(error, "response", None)
    code = str(response["Error"].get("Code", "")) if response else ""
    return fail(f"S3 permission to {name}", str(error), MENDS.get(code, POLICY_MEND))


def _clock(date: str) -> Finding:
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return ok("clock", "the S3 server sends no date")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    skew = abs((datetime.now(UTC) - theirs).total_seconds())
    mend = (
        "set this machine's clock (chronyd, systemd-timesyncd): S3 refuses signatures that are 15 minutes off"
    )
    if skew > SKEW_FAIL_SECONDS:
        return fail("clock", f"{skew:.0f} s off the S3 server's", mend)
    if skew > SKEW_WARN_SECONDS:
        return warn("clock", f"{skew:.0f} s off the S3 server's", mend)
    return ok("clock", "agrees with the S3 server's")
