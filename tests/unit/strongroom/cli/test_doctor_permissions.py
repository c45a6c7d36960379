"""Each permission of the bucket denied alone: the doctor names it, and leaves no upload open."""

from __future__ import annotations

import io
from typing import Any

import pytest

from strongroom.cli.doctor.findings import Status
from strongroom.cli.doctor.s3 import _Bucket

MEND = {
    "put_object": "s3:PutObject",
    "get_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_object_versions": "s3:ListBucketVersions",
    "delete_object": "s3:DeleteObject",
    "get_bucket_versioning": "s3:GetBucketVersioning",
}


class Denied(Exception):
    """A refusal, shaped like botocore's ClientError."""

    response = {"Error": {"Code": "AccessDenied"}}  # noqa: RUF012 - never changed


class Client:
    """A bucket with versioning that denies one operation."""

    def __init__(self, denied: str) -> None:
        self._denied = denied
        self.objects: dict[str, bytes] = {}
        self.open: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def answer(**of: Any) -> Any:
            if name == self._denied:
                raise Denied(f"not authorized to perform {name}")
            return getattr(self, f"_{name}")(**of)

        return answer

    def _put_object(self, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Key] = Body

    def _get_object(self, Key: str, **_: Any) -> Any:
        if Key not in self.objects:
            raise Denied("no such key")
        return {"Body": io.BytesIO(self.objects[Key])}

    def _list_objects_v2(self, **_: Any) -> Any:
        return {}

    def _create_multipart_upload(self, Key: str, **_: Any) -> Any:
        self.open.add(Key)
        return {"UploadId": Key}

    def _upload_part(self, **_: Any) -> Any:
        return {"ETag": "e"}

    def _complete_multipart_upload(self, Key: str, UploadId: str, **_: Any) -> None:
        self.open.remove(UploadId)
        self.objects[Key] = b""

    def _abort_multipart_upload(self, UploadId: str, **_: Any) -> None:
        self.open.remove(UploadId)

    def _list_object_versions(self, Prefix: str, **_: Any) -> Any:
        return {"Versions": [{"Key": key, "VersionId": "1"} for key in self.objects if key == Prefix]}

    def _delete_object(self, Key: str, **_: Any) -> None:
        self.objects.pop(Key, None)

    def _get_bucket_versioning(self, **_: Any) -> Any:
        return {"Status": "Enabled"}


@pytest.mark.parametrize("denied", ["", *MEND])
def test_each_denied_permission(denied: str) -> None:
    client = Client(denied)
    bucket = _Bucket(client, "bucket", (Denied,))
    findings = [bucket._versioning(), *bucket._permissions()]
    bad = [finding for finding in findings if finding.status is not Status.OK]
    assert all(MEND[denied] in finding.mend for finding in bad)
    assert bool(bad) == bool(denied)
    assert client.open == set()
    if denied not in {"delete_object", "list_object_versions", "create_multipart_upload"}:
        assert client.objects == {}
