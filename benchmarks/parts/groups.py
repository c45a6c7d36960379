"""T1 and T4 of plain uploads in metadata_service, with 16 callers of four owners: grouped, and separate."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import time
from functools import cache, partial
from pathlib import Path

import psutil
from pydantic import SecretStr

from benchmarks.parts.measured import Part
from devstack import infra
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.groups import Groups
from metadata_service.attempts.reservation import Reserver
from metadata_service.config import Limits, MigrationSettings, PoolOptions, Timing
from metadata_service.db.database import Database
from metadata_service.db.migrate import migrate
from metadata_service.db.pool import make_pool
from metadata_service.sessions.ending import keep_partial
from strongroom.metadata.v1.blob_pb2 import BLOB_KIND_SINGLE
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle, CommitRequest, ReserveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec

UPLOADS = 400
CALLERS = 16
OWNERS = 4
SIZE = 64 * 1024


@cache
def _database_url() -> str:
    """The service's login to an embedded Postgres that ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-parts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    servers = infra.start(folder)
    atexit.register(servers.close)
    owner, app = SecretStr(servers.owner_dsn), SecretStr(servers.app_dsn)
    migrate(MigrationSettings(database_url=app, migration_database_url=owner))
    return servers.app_dsn


async def _upload(reserver: Reserver, committer: Committer, owner: str) -> None:
    spec = UploadSpec(filename="a.bin", content_type="application/octet-stream", size_bytes=SIZE)
    spec.target.file.SetInParent()
    blob = (await reserver.reserve(owner, ReserveRequest(spec=spec, kind=BLOB_KIND_SINGLE))).blob
    handle = BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=owner)
    await committer.commit(CommitRequest(blob=handle, size_bytes=SIZE, crc32c=1, etag="e"))


async def _measured(url: str, *, together: bool) -> float:
    async with make_pool(url, PoolOptions()) as pool:
        database, timing, limits = Database(pool), Timing(), Limits()
        groups = Groups(database, limits) if together else None
        reserver = Reserver(database, timing, limits, groups)
        committer = Committer(database, timing, limits, keep_partial, groups)

        async def caller(number: int, uploads: int) -> None:
            for _ in range(uploads):
                await _upload(reserver, committer, f"owner-{number % OWNERS}")

        async def all_callers(uploads: int) -> None:
            await asyncio.gather(*(caller(number, uploads) for number in range(CALLERS)))

        await all_callers(4)  # warms up connections and prepared statements
        began = time.process_time() + _backends()
        await all_callers(UPLOADS // CALLERS)
        return (time.process_time() + _backends() - began) / UPLOADS * 1000


def _backends() -> float:
    """CPU seconds of Postgres' processes for metadata_service."""
    return sum(
        sum(process.cpu_times()[:2])
        for process in psutil.Process().children(recursive=True)
        if "postgres: " in " ".join(process.cmdline())
    )


def _run(*, together: bool) -> float:
    return asyncio.run(_measured(_database_url(), together=together))


GROUPS = (
    Part(
        "group commit",
        "0026",
        "ms an upload, with Postgres",
        partial(_run, together=True),
        partial(_run, together=False),
    ),
)
