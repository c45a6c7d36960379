"""boto3 alone, straight to the endpoint: ``python -m benchmarks.yardstick upload ENDPOINT KEY SIZE``.

It runs in a separate process, so that its CPU time is measured alone. It prints one JSON object: `cpu` and
`seconds` of the transfer (without imports and the first connection, like the services') and `peak_mib`.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import boto3
from botocore.config import Config

from benchmarks import payload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bench"


def client(endpoint: str, *, unsigned: bool) -> S3Client:
    """A boto3 client with defaults; `unsigned`: without the SHA-256 of bodies that plain HTTP requires."""
    config = (
        Config(s3={"payload_signing_enabled": False, "addressing_style": "path"}) if unsigned else Config()
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        region_name="us-east-1",
        config=config,
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _transfer(arguments: argparse.Namespace, s3: S3Client, folder: Path) -> None:
    if arguments.direction == "upload":
        s3.upload_fileobj(cast("IO[bytes]", payload.Reader(arguments.size)), BUCKET, arguments.key)
        return
    target = folder / "download"
    s3.download_file(BUCKET, arguments.key, str(target))
    if target.stat().st_size != arguments.size:
        raise RuntimeError(f"downloaded {target.stat().st_size} bytes, not {arguments.size}")


def main() -> None:
    """Run one transfer and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=("upload", "download"))
    parser.add_argument("endpoint")
    parser.add_argument("key")
    parser.add_argument("size", type=int)
    parser.add_argument("--unsigned", action="store_true")
    parser.add_argument("--folder", help="where download_file writes")
    arguments = parser.parse_args()
    s3 = client(arguments.endpoint, unsigned=arguments.unsigned)
    s3.put_object(Bucket=BUCKET, Key="warm", Body=payload.block())
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        cpu, began = _cpu(), time.perf_counter()
        _transfer(arguments, s3, Path(folder))
        figures = {"cpu": _cpu() - cpu, "seconds": time.perf_counter() - began}
    print(json.dumps(figures | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
