"""Finds the owner of a listed version or delete marker that no committed row names.

The rows are read after the listing, and anything younger than the grace is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.removal import is_attempts
from storage_service.attempts.versioning import NULL_VERSION, told_version
from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectInfo
from storage_service.verifying.findings import about_version
from storage_service.verifying.keyspace import PROJECTS
from storage_service.verifying.stage import Grace
from storage_service.verifying.window import AtKey
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import (
    BLOB_KIND_LEFTOVERS,
    BLOB_STATE_COMMITTED,
    BLOB_STATE_DELETING,
)
from strongroom.metadata.v1.verification_service_pb2 import KeyRow


@dataclass(frozen=True, slots=True)
class Unowned:
    """A version without a known attempt: its name for the request to metadata_service, and its finding.

    The finding counts only if no file shows the version.
    """

    named: pb.UnownedObject
    finding: pb.Finding


@dataclass(slots=True)
class Judged:
    """Result for one key: findings about delete markers, versions that may be findings, and the number of
    duplicates of committed objects.
    """

    found: list[pb.Finding] = field(default_factory=list)
    unowned: list[Unowned] = field(default_factory=list)
    twins: int = 0


class Owners:
    """One instance per process."""

    def __init__(self, store: ObjectStore, records: VerificationRecords, grace: Grace) -> None:
        self._store = store
        self._records = records
        self._grace = grace

    async def judge(self, key: str, seen: AtKey, now: KeysNow) -> Judged:
        """Judge the versions and delete markers of one key. Raises StoreError."""
        judged = Judged()
        if key in now.busy:
            return judged
        rows = now.at(key)
        known = {row.version_id or NULL_VERSION for row in rows}
        for version in seen.versions:
            if version.is_delete_marker:
                judged.found += self._marker(version, rows, seen)
            elif version.version_id not in known and self._grace.is_over(version.last_modified):
                await self._version(version, rows, judged)
        return judged

    async def unshown(self, unowned: Sequence[Unowned]) -> list[pb.Finding]:
        """The findings for versions that no file shows. Raises StrongroomError.

        A file whose blob is unknown is a finding of its own.
        """
        if not unowned:
            return []
        shown = await self._records.shown([one.named for one in unowned])
        return [one.finding for at, one in enumerate(unowned) if at not in shown]

    async def version_of(self, row: KeyRow, versions: Sequence[ListedVersion]) -> str:
        """The id of another version written by the row's attempt; empty: there is none."""
        for version in versions:
            if version.is_delete_marker or version.version_id == row.version_id:
                continue
            if version.size == row.size_bytes and await is_attempts(self._store, version.ref, row.blob_id):
                return version.version_id
        return ""

    async def _version(self, version: ListedVersion, rows: Sequence[KeyRow], judged: Judged) -> None:
        if any(not row.key_shared and row.state != BLOB_STATE_COMMITTED for row in rows):
            return  # the key belongs to that attempt alone; the cleaner removes everything at it
        try:
            info = await self._store.head(version.ref)
        except ObjectNotFound:
            return  # removed since it was listed
        attempt = info.metadata.get(ATTEMPT_KEY, "")
        owner = next((row for row in rows if attempt and attempt in attempts_of(row)), None)
        if owner is not None:
            judged.twins += owner.state == BLOB_STATE_COMMITTED
            return
        if rows:
            kind, expected = pb.FINDING_KIND_FOREIGN_VERSION, "only versions of attempts that a row knows"
        else:
            kind, expected = pb.FINDING_KIND_OBJECT_ORPHANED, "a row"
        found = f"attempt {attempt}" if attempt else "written by nobody known"
        finding = about_version(kind, version, expected=expected, found=found)
        judged.unowned.append(Unowned(unowned(info), finding))

    def _marker(self, marker: ListedVersion, rows: Sequence[KeyRow], seen: AtKey) -> list[pb.Finding]:
        """Judge a delete marker.

        Below ``projects/`` a marker hides paths that only old versions have. Elsewhere Strongroom makes none.
        """
        if not self._grace.is_over(marker.last_modified):
            return []
        committed = [row for row in rows if row.state == BLOB_STATE_COMMITTED]
        if rows and not committed:
            return []  # the cleaner has not finished with this key
        if not marker.is_latest and any(row.state == BLOB_STATE_DELETING for row in rows):
            return []  # it hides a deleted object within the restore window; something newer came later
        if marker.key.startswith(PROJECTS) and committed:
            is_shown = any(row.is_current for row in committed)
            markers = sum(version.is_delete_marker for version in seen.versions)
            if not is_shown and marker.is_latest and markers == 1:
                return []
        expected = "an object that can be seen" if committed else "nothing at all"
        return [
            about_version(pb.FINDING_KIND_DELETE_MARKER, marker, expected=expected, found="a delete marker")
        ]


def unowned(info: ObjectInfo) -> pb.UnownedObject:
    """The name of an object without a known attempt, for the request to metadata_service."""
    return pb.UnownedObject(
        key=info.key,
        owner_id=info.metadata.get("user_id", ""),
        version_id=told_version(info.version_id or ""),
        attempt_id=info.metadata.get(ATTEMPT_KEY, ""),
    )


def attempts_of(row: KeyRow) -> set[str]:
    """The attempts that a row stands for: its own, or for kind LEFTOVERS the one that it cleans up after."""
    if row.kind == BLOB_KIND_LEFTOVERS:
        return {row.object_metadata.get(ATTEMPT_KEY, "")} - {""}
    return {row.blob_id}
