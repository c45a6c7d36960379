"""``python -m benchmarks.embedded_store``: CPU of the dev stack's own S3 per request, by process.

CPU (user and system) of the store's processes, in milliseconds per request, over a kept-alive connection to a
bucket with versioning, with requests like storage_service's. Operations take turns; each figure is the median
of the rounds. The client's CPU is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks import processes
from devstack import bucket, infra
from storage_service.objectstore import checksums

BODY: Final = os.urandom(10 << 10)
CHECKSUM: Final = checksums.to_base64(checksums.extend(0, BODY))
PART: Final = os.urandom(5 << 20)
CLIENTS: Final = 4


class Operations:
    """The measured operations. Each is one request, unless it says otherwise, and has its own keys."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3, self._bucket = s3, name
        self._new = count()
        self._heads: Iterator[int] = iter(())
        self.versions: list[tuple[str, str]] = []

    def put(self) -> None:
        """Store a new object of 10 KiB."""
        key = f"objects/{next(self._new)}"
        done = self._s3.put_object(Bucket=self._bucket, Key=key, Body=BODY, ChecksumCRC32C=CHECKSUM)
        self.versions.append((key, done["VersionId"]))

    def get(self) -> None:
        """Read the object of the last PUT."""
        self._s3.get_object(Bucket=self._bucket, Key=self.versions[-1][0])["Body"].read()

    def head(self) -> None:
        """HEAD of the object of the last PUT."""
        self._s3.head_object(Bucket=self._bucket, Key=self.versions[-1][0])

    def delete(self) -> None:
        """Delete one version for good."""
        key, version = self.versions.pop(0)
        self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

    def list_versions(self) -> None:
        """List a page of 100 versions."""
        self._s3.list_object_versions(Bucket=self._bucket, Prefix="objects/", MaxKeys=100)

    def multipart(self) -> None:
        """Four requests: two parts of 5 MiB."""
        key = f"multipart/{next(self._new)}"
        upload = self._s3.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        where = {"Bucket": self._bucket, "Key": key, "UploadId": upload}
        parts = [
            {
                "PartNumber": number,
                "ETag": self._s3.upload_part(**where, PartNumber=number, Body=PART)["ETag"],
            }
            for number in (1, 2)
        ]
        self._s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def _measured(call: Callable[[], None], times: int, pids: dict[str, int]) -> dict[str, float]:
    before = {name: processes.cpu_seconds(pid) for name, pid in pids.items()}
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(call) for _ in range(times)]:
            done.result()
    return {name: (processes.cpu_seconds(pid) - before[name]) / times * 1000 for name, pid in pids.items()}


def measure(folder: Path, rounds: int, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds by operation and process, medians."""
    found: dict[str, list[dict[str, float]]] = {}
    with infra.start(folder) as servers:
        pids = {f"process {number}": pid for number, pid in enumerate(servers.state().s3.pids, 1)}
        operations = Operations(bucket.client(servers.s3), servers.s3.bucket)
        plan = {
            "PUT of 10 KiB": (operations.put, times),
            "GET": (operations.get, times),
            "HEAD": (operations.head, times),
            "DELETE of a version": (operations.delete, times // 2),
            "ListObjectVersions of 100": (operations.list_versions, times // 10),
            "multipart of two parts of 5 MiB": (operations.multipart, times // 20),
        }
        for call, _ in plan.values():
            call()
        for _ in range(rounds):
            for name, (call, often) in plan.items():
                found.setdefault(name, []).append(_measured(call, often, pids))
    return {
        name: {process: statistics.median(each[process] for each in samples) for process in samples[0]}
        for name, samples in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded_store", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=200, help="of each operation in each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, Postgres runs as another user
        for name, by_process in measure(Path(folder), arguments.rounds, arguments.times).items():
            each = "  ".join(f"{process} {value:5.2f}" for process, value in by_process.items())
            print(f"{name:28} {sum(by_process.values()):6.2f} ms   ({each})")


if __name__ == "__main__":
    main()
