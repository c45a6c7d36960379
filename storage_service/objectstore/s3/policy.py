"""The IAM policy of storage_service: the calls that the S3 adapter makes, and no others.

Actions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html and "Required permissions for
Amazon S3 API operations". Preparing the bucket needs more, but only once, and is the operator's.
"""

from __future__ import annotations

from typing import Any, Final

OF_THE_BUCKET: Final = (
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)
OF_OBJECTS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
OF_THE_KEY: Final = ("kms:Decrypt", "kms:GenerateDataKey")


def policy(bucket: str, kms_key_id: str | None = None) -> dict[str, Any]:
    """The policy document for one bucket, and its KMS key where it has one (an ARN, or a key id)."""
    arn = f"arn:aws:s3:::{bucket}"
    statements = [_allow("Bucket", OF_THE_BUCKET, arn), _allow("Objects", OF_OBJECTS, f"{arn}/*")]
    if kms_key_id is not None:
        key = kms_key_id if kms_key_id.startswith("arn:") else f"arn:aws:kms:*:*:key/{kms_key_id}"
        statements.append(_allow("Key", OF_THE_KEY, key))
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(name: str, actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Sid": f"Strongroom{name}", "Effect": "Allow", "Action": list(actions), "Resource": resource}
