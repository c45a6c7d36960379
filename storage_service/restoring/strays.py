"""Stray objects: stored or deleted after the moment to which the database was restored.

Listing and rows are merged by key as in a verification, with the same rule: rows are read again after the
listing, and an attempt's row is older than its object. So uploads in progress are not astray, unless the
restore has removed their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.versioning import NULL_VERSION, told_version
from storage_service.metadata.verification import Restorations, VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectInfo
from storage_service.parallel import in_parallel
from storage_service.verifying.findings import ref_of
from storage_service.verifying.owners import unowned
from storage_service.verifying.window import AtKey, read_window
from strongroom.metadata.v1.blob_pb2 import (
    BLOB_STATE_COMMITTED,
    BLOB_STATE_COMPLETING,
    BLOB_STATE_PENDING,
)
from strongroom.metadata.v1.restoration_pb2 import ObjectDescription, StoredObject
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard
from strongroom.storage.v1 import restore_pb2 as pb

PAGE: Final = 500
"""Versions checked closely in one call; the last key is always finished."""
NO_FILES: Final = ("segments/", "partials/")
"""Bytes of open sessions. They are never files by themselves."""


@dataclass(slots=True)
class Page:
    """Strays up to ``cursor``; empty: there are no more."""

    objects: list[pb.StrayObject] = field(default_factory=list)
    cursor: str = ""
    committed_rows: int = 0


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A version that no row names by its id, or a marker that hides a row's object."""

    version: ListedVersion
    rows: Sequence[KeyRow]
    hides: KeyRow | None = None


class Strays:
    """Finds stray objects. One instance per process."""

    def __init__(self, store: ObjectStore, records: VerificationRecords, restorations: Restorations) -> None:
        self._store = store
        self._records = records
        self._restorations = restorations

    async def page(self, cursor: str) -> Page:
        """The next strays, by key. Raises StrongroomError, StoreError."""
        window = await read_window(self._store, self._records, VerificationShard(cursor=cursor))
        doubtful = [
            (key, seen)
            for key, seen in window.keys.items()
            if not key.startswith(NO_FILES) and _is_doubtful(seen)
        ]
        end = "" if window.done else window.end
        chosen: list[tuple[str, AtKey]] = []
        count = 0
        for key, seen in doubtful:
            if count >= PAGE:
                end = chosen[-1][0]
                break
            chosen.append((key, seen))
            count += len(seen.versions)
        committed = sum(len(seen.committed) for key, seen in window.keys.items() if not end or key <= end)
        return Page(await self._strays(chosen), end, committed)

    async def at(self, key: str, versions: Sequence[ListedVersion]) -> list[pb.StrayObject]:
        """The strays among the versions of one key, which were listed just now, newest first."""
        return await self._strays([(key, AtKey(versions=list(versions)))])

    async def _strays(self, chosen: Sequence[tuple[str, AtKey]]) -> list[pb.StrayObject]:
        now = await self._records.look_up([key for key, _ in chosen])
        suspects = [suspect for key, seen in chosen for suspect in _suspects(seen, now.at(key))]
        looked_at = await in_parallel(suspects, self._look)
        found: list[tuple[_Suspect, ObjectInfo]] = []
        attempts: set[tuple[str, str]] = set()
        for suspect, info in zip(suspects, looked_at, strict=True):
            if info is None:
                continue
            attempt = info.metadata.get(ATTEMPT_KEY, "")
            twin = (suspect.version.key, attempt) in attempts
            if suspect.hides is None and (not attempt or twin or _kind(suspect, attempt) is None):
                continue
            attempts.add((suspect.version.key, attempt))
            found.append((suspect, info))
        shown = await self._records.shown([unowned(info) for _, info in found])
        found = [
            one
            for position, one in enumerate(found)
            if one[0].hides is not None or position not in shown  # a file names it, its blob is unknown
        ]
        described = await self._restorations.describe([stored_object(info) for _, info in found])
        return [_stray(suspect, info, said) for (suspect, info), said in zip(found, described, strict=True)]

    async def _look(self, suspect: _Suspect) -> ObjectInfo | None:
        ref = suspect.version.ref if suspect.hides is None else ref_of(suspect.hides)
        try:
            return await self._store.head(ref)
        except ObjectNotFound:
            return None


def _suspects(seen: AtKey, rows: Sequence[KeyRow]) -> Iterator[_Suspect]:
    known = {row.version_id or NULL_VERSION for row in rows}
    shown = next((row for row in rows if row.state == BLOB_STATE_COMMITTED and row.is_current), None)
    for version in seen.versions:
        if version.is_delete_marker:
            if version.is_latest and shown is not None:
                yield _Suspect(version, rows, hides=shown)
        elif version.version_id not in known:
            yield _Suspect(version, rows)


def _is_doubtful(seen: AtKey) -> bool:
    """Whether the listing has a version or a marker that the rows read before it do not explain."""
    return next(_suspects(seen, seen.rows), None) is not None


def _kind(suspect: _Suspect, attempt: str) -> pb.StrayKind.ValueType | None:
    """The kind of stray; None: a row explains the version."""
    row = next((row for row in suspect.rows if row.blob_id == attempt), None)
    if row is not None:
        is_open = row.state in {BLOB_STATE_PENDING, BLOB_STATE_COMPLETING}
        return pb.STRAY_KIND_UNFINISHED if is_open else None
    return pb.STRAY_KIND_STORED_LATER if suspect.version.is_latest else pb.STRAY_KIND_REMOVED_LATER


def _stray(suspect: _Suspect, info: ObjectInfo, said: ObjectDescription) -> pb.StrayObject:
    kind = _kind(suspect, info.metadata.get(ATTEMPT_KEY, ""))
    return pb.StrayObject(
        kind=pb.STRAY_KIND_HIDDEN if suspect.hides is not None or kind is None else kind,
        name=pb.ObjectName(key=info.key, version_id=_named(suspect)),
        size_bytes=info.size,
        description=said,
    )


def _named(suspect: _Suspect) -> str:
    """The version id for `keep` and `drop`."""
    version_id = suspect.hides.version_id if suspect.hides is not None else suspect.version.version_id
    return told_version(version_id)


def stored_object(info: ObjectInfo, crc32c: int = 0) -> StoredObject:
    """The description of an object from its HEAD, with ``crc32c`` if it is needed."""
    moment = Timestamp()
    moment.FromDatetime(info.last_modified)
    return StoredObject(
        key=info.key,
        version_id=told_version(info.version_id or ""),
        etag=info.etag,
        size_bytes=info.size,
        crc32c=crc32c,
        content_type=info.content_type,
        object_metadata=dict(info.metadata),
        store_time=moment,
    )
