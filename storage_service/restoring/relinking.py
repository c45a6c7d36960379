"""Relinks rows to a copied bucket: same keys and bytes, other version ids and entity tags.

A row that agrees with the listing costs no further request. So it is cheap to repeat a run, or to continue it
anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from servicekit import failpoints
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.versioning import NULL_VERSION, told_version
from storage_service.metadata.verification import Restorations, VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectInfo
from storage_service.parallel import in_parallel
from storage_service.repairing.identity import BucketIdentity
from storage_service.verifying.readback import checksum_of
from storage_service.verifying.window import AtKey, read_window
from strongroom.metadata.v1.restoration_service_pb2 import MovedRow
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard
from strongroom.storage.v1 import restore_pb2 as pb

BEFORE_RELINK: Final = failpoints.register("storage.restore.before_relink")


@dataclass(slots=True)
class Relinked:
    """Result for one window of keys, up to ``cursor``; empty: there are no more."""

    cursor: str
    rows: int = 0
    right: int = 0
    relinked: int = 0
    unlinked: list[pb.UnlinkedRow] = field(default_factory=list)


class Relinks:
    """One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        restorations: Restorations,
        *,
        identity: BucketIdentity,
    ) -> None:
        self._identity = identity
        self._store = store
        self._records = records
        self._restorations = restorations

    async def page(self, cursor: str, *, dry_run: bool) -> Relinked:
        """Relink the next window.

        Raises RepairRefused (the bucket is another installation's, and this is no dry run), StrongroomError,
        StoreError: then nothing of the window counts.
        """
        if not dry_run:
            await self._identity.check(take=False)
        window = await read_window(self._store, self._records, VerificationShard(cursor=cursor))
        done = Relinked("" if window.done else window.end)
        wrong: list[tuple[KeyRow, AtKey]] = []
        for seen in window.keys.values():
            done.rows += len(seen.committed)
            wrong += [(row, seen) for row in seen.committed if not _is_right(row, seen.versions)]
        done.right = done.rows - len(wrong)
        found = await in_parallel(wrong, self._find)
        links = []
        for (row, seen), info in zip(wrong, found, strict=True):
            if info is None:
                done.unlinked.append(_unlinked(row, seen))
            else:
                links.append(_relink(row, info))
        if links and not dry_run:
            await failpoints.hit(BEFORE_RELINK)
        done.relinked = len(links) if dry_run else await self._restorations.relink(links)
        return done

    async def _find(self, item: tuple[KeyRow, AtKey]) -> ObjectInfo | None:
        """The version with the row's bytes: one written by its own attempt, else the newest without an
        attempt.
        """
        row, seen = item
        fits: list[ObjectInfo] = []
        for version in seen.versions:
            if version.is_delete_marker or version.size != row.size_bytes:
                continue
            try:
                info = await self._store.head(version.ref)
                if await checksum_of(self._store, version.ref, info) == row.crc32c:
                    fits.append(info)
            except ObjectNotFound:
                continue
        own = [info for info in fits if info.metadata.get(ATTEMPT_KEY) == row.blob_id]
        others = [info for info in fits if not info.metadata.get(ATTEMPT_KEY)]
        return next(iter(own or others), None)


def _is_right(row: KeyRow, versions: Sequence[ListedVersion]) -> bool:
    wanted = row.version_id or NULL_VERSION
    version = next((one for one in versions if one.version_id == wanted), None)
    if version is None or version.size != row.size_bytes:
        return False
    return not (version.etag and row.etag) or version.etag == row.etag


def _relink(row: KeyRow, info: ObjectInfo) -> MovedRow:
    version_id = info.version_id or ""
    return MovedRow(
        owner_id=row.owner_id,
        blob_id=row.blob_id,
        old_version_id=row.version_id,
        size_bytes=row.size_bytes,
        crc32c=row.crc32c,
        version_id=told_version(version_id),
        etag=info.etag,
    )


def _unlinked(row: KeyRow, seen: AtKey) -> pb.UnlinkedRow:
    objects = [version for version in seen.versions if not version.is_delete_marker]
    sizes = sorted({version.size for version in objects})
    if not objects:
        found = "nothing"
    elif row.size_bytes not in sizes:
        found = f"{len(objects)} versions of {', '.join(str(size) for size in sizes[:5])} bytes"
    else:
        found = "bytes with another checksum, or of another upload"
    return pb.UnlinkedRow(
        key=row.key, owner_id=row.owner_id, blob_id=row.blob_id, size_bytes=row.size_bytes, found=found
    )
