"""Makes the bucket of AWS_S3_BUCKET, with versioning on, unless it is there: a one-shot step of compose.

Reads the same AWS_* variables as storage_service. Not for AWS itself, where the bucket is the operator's.
"""

from __future__ import annotations

import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PATIENCE_SECONDS = 60.0
_OURS_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def init_bucket() -> None:
    """Create the bucket and turn versioning on. Raises ClientError or BotoCoreError."""
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_S3_ENDPOINT_URL"],
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        config=config,
    )
    bucket = os.environ["AWS_S3_BUCKET"]
    try:
        s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _OURS_ALREADY:
            raise
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def main() -> int:
    """Try for a minute, as the store may just be starting. 0 when the bucket is ready, else 1."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            init_bucket()
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline or isinstance(error, ClientError):
                sys.stderr.write(f"the bucket could not be made: {error}\n")
                return 1
            time.sleep(1.0)
        else:
            sys.stdout.write(f"the bucket {os.environ['AWS_S3_BUCKET']} is ready\n")
            return 0


if __name__ == "__main__":
    sys.exit(main())
