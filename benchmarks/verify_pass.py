"""``python -m benchmarks.verify_pass``: one verification of depth ``listings`` against a running
metadata_service, as storage_service runs it. The listing is made from the rows themselves, so the figures
contain the processing of a listing of a million objects, but not the cost of S3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final, cast

import psycopg
import structlog
from grpc import aio

from servicekit.auth.credentials import InternalCredential
from servicekit.background import Heartbeat
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion
from storage_service.verifying.job import VerificationJob
from storage_service.verifying.metrics import VerificationMetrics
from storage_service.verifying.stage import Grace, Step
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import VerificationShard

PAGE: Final = 1000
_KEYS: Final = """
SELECT key, version_id, size_bytes, etag FROM blobs
WHERE NOT key_shared AND key > %s AND state = 3 ORDER BY key LIMIT 1000
"""


class Listing:
    """A store whose listing is made from the rows. It supports only listings."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection | None = None
        self.pages = 0

    async def list_versions(self, _prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        """Pages of a thousand, in the order of keys."""
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
        then = datetime(2026, 1, 1, tzinfo=UTC)
        while True:
            found = await (await self._connection.execute(_KEYS, (after,))).fetchall()
            self.pages += 1
            if found:
                yield [
                    ListedVersion(key, version or "null", True, False, size, etag, then)
                    for key, version, size, etag in found
                ]
            if len(found) < PAGE:
                return
            after = found[-1][0]

    async def aclose(self) -> None:
        """Close its connection."""
        if self._connection is not None:
            await self._connection.close()

    async def list_uploads(self, _prefix: str) -> Sequence[Any]:
        """No uploads are open."""
        return []


class _EmptyQuarantine:
    """The stage for a bucket in which nothing was ever repaired."""

    async def step(self, shard: VerificationShard) -> Step:
        """Return at once that the stage is done."""
        return Step(shard.cursor, done=True)


async def run(dsn: str, channel: aio.Channel, secret: str) -> dict[str, Any]:
    """The figures of one verification. ``channel``: to metadata_service."""
    store = Listing(dsn)
    records = VerificationRecords(channel, InternalCredential(secret))
    job = VerificationJob(
        cast("ObjectStore", store),
        records,
        Heartbeat("verify", 60.0),
        VerificationMetrics(),
        interval_seconds=0.0,
        grace=Grace(86400.0),
        may_work=_yes,
        more_stages={pb.VERIFICATION_STAGE_QUARANTINE: _EmptyQuarantine()},
    )
    began = perf_counter()
    begun = await records.begin(pb.VERIFICATION_DEPTH_LISTINGS)
    while await job.run_once():
        pass
    seconds = perf_counter() - began
    done = await records.run(begun.verification.id)
    await store.aclose()
    return {
        "state": pb.VerificationState.Name(done.state),
        "failure": done.failure,
        "seconds": seconds,
        "rows": done.counts.committed_rows,
        "objects": done.counts.objects,
        "findings": sum(found.count for found in done.findings),
        "shards": done.shards,
    }


async def _run_at(dsn: str, metadata: str, secret: str) -> dict[str, Any]:
    async with aio.insecure_channel(metadata) as channel:
        return await run(dsn, channel, secret)


async def _yes() -> bool:
    return True


def main() -> int:
    """Print the figures as JSON, and wait for the end of the input. BENCH_INTERNAL_SECRET is the secret."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("metadata")
    chosen = parser.parse_args()
    found = asyncio.run(_run_at(chosen.dsn, chosen.metadata, os.environ["BENCH_INTERNAL_SECRET"]))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    sys.stdin.read()  # until its memory was measured
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
