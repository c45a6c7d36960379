"""ReserveFiles, RecordFiles, RenewSave: the steps of a save between its begin and its commit.

A reserved file is either unchanged (the newest version has the same size and SHA-256 at its path, so its blob
is part of the new version, too) or a PENDING blob, created before any byte goes to S3 (rule R1). Such blobs
have no lease of their own: they name their save, and live as long as it does. A partial save names what it
changes; one statement for each part of the paths stages the rest of the newest version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from psycopg.types.numeric import Int8

from metadata_service.blobs import inserts, scans
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Row, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.files.families import ATTEMPT_KEY, EXECUTABLE_KEY, SAVE_KEY
from metadata_service.files.layouts import project_file_key
from metadata_service.projects import events
from metadata_service.projects.rows import HASH_JOINS, save_is_over
from metadata_service.usage import quota
from servicekit import failpoints
from servicekit.telemetry.tracing import origin
from strongroom.errors import InvalidField, PathInvalid, PreconditionFailed
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.path_rules import normal_path

BEFORE_RESERVE: Final = failpoints.register("metadata.project.reserve.before_commit")
AFTER_RESERVE: Final = failpoints.register("metadata.project.reserve.after_commit")
BEFORE_RECORD: Final = failpoints.register("metadata.project.record.before_commit")
AFTER_RECORD: Final = failpoints.register("metadata.project.record.after_commit")

_RENEW: Final = """
UPDATE project_saves AS saves SET lease_expires_at = now() + make_interval(secs => %(lease)s)
FROM projects
WHERE saves.owner_id = %(owner)s AND saves.id = %(save)s
    AND projects.owner_id = saves.owner_id AND projects.id = saves.project_id
RETURNING projects.id, projects.slug
"""
_COLUMNS: Final = {
    "owner_id": "%(owner)s",
    "save_id": "%(save)s",
    "id": "id",
    "kind": "%(kind)s",
    "key": "key",
    "key_shared": "true",
    "content_type": "content_type",
    "spec": "''",
    "object_metadata": f"""jsonb_build_object('{ATTEMPT_KEY}', id::text, 'user_id', %(owner)s::text,
        '{SAVE_KEY}', %(save)s::text) || CASE WHEN executable
            THEN jsonb_build_object('{EXECUTABLE_KEY}', 'true') ELSE '{{}}' END""",
    "reserved_bytes": "size_bytes",
    "reserved_files": "1",
    "storage_class": "%(storage_class)s",
    "traceparent": "%(traceparent)s",
}
_RESERVE: Final = f"""
WITH given AS (
    SELECT * FROM unnest(%(paths)s::text[], %(keys)s::text[], %(ids)s::uuid[], %(sizes)s::bigint[],
        %(hashes)s::bytea[], %(types)s::text[], %(executables)s::boolean[]) WITH ORDINALITY
        AS given (path, key, id, size_bytes, sha256, content_type, told, number)
), judged AS (
    SELECT given.*, coalesce(told, newest.executable, false) AS executable,
        newest.path IS NOT NULL AND newest.size_bytes = given.size_bytes AND newest.sha256 = given.sha256
            AND newest.executable = coalesce(told, newest.executable) AS unchanged
    FROM given
    LEFT JOIN project_files AS newest ON newest.owner_id = %(owner)s AND newest.project_id = %(project)s
        AND newest.path = given.path AND newest.until_version IS NULL
), made AS (
    {inserts.pending(_COLUMNS)}
    FROM judged WHERE NOT unchanged
), staged AS (
    INSERT INTO project_save_files (owner_id, save_id, path, blob_id, size_bytes, sha256, content_type,
        executable)
    SELECT %(owner)s, %(save)s, path, CASE WHEN unchanged THEN NULL ELSE id END, size_bytes, sha256,
        content_type, executable
    FROM judged
)
SELECT unchanged, executable FROM judged ORDER BY number
"""
#: A repeat after a lost answer finds the files there. CommitSave gets the number of files to expect.
_KEEP: Final = """
INSERT INTO project_save_files (owner_id, save_id, path, size_bytes, sha256, content_type, executable)
SELECT owner_id, %(save)s, path, size_bytes, sha256, content_type, executable FROM project_files
WHERE owner_id = %(owner)s AND project_id = %(project)s AND until_version IS NULL
    AND path > %(after)s AND (%(up_to)s = '' OR path <= %(up_to)s) AND path <> ALL(%(left_out)s::text[])
ON CONFLICT (owner_id, save_id, path) DO NOTHING
"""
_RECORD: Final = """
UPDATE project_save_files AS staged
SET version_id = given.version_id, etag = given.etag, crc32c = given.crc32c,
    doubtful = staged.doubtful OR given.doubtful
FROM unnest(%(ids)s::uuid[], %(versions)s::text[], %(etags)s::text[], %(crcs)s::bigint[], %(sizes)s::bigint[],
    %(doubtful)s::boolean[]) AS given (id, version_id, etag, crc32c, size_bytes, doubtful)
WHERE staged.owner_id = %(owner)s AND staged.save_id = %(save)s AND staged.blob_id = given.id
    AND staged.size_bytes = given.size_bytes
"""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A requested file, with the blob it would get."""

    asked: pb.FileReservation
    path: str
    key: str
    blob_id: UUID


class SaveStager:
    """Runs the steps of a save."""

    def __init__(self, database: Database, timing: Timing, limits: Limits) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits

    async def reserve(self, request: pb.ReserveFilesRequest) -> list[blob_pb2.Blob]:
        """One blob per file, in the given order; without id if the file is unchanged. `kept` costs one
        statement, however many files it contains.

        Raises PathInvalid {path, rule} (also for a duplicate path), PreconditionFailed (a file that must be
        unchanged is not), QuotaExceeded, FileCountExceeded, UploadSuperseded.
        """
        try:
            blobs = await self._database.transact(
                user(request.owner_id), lambda tx: self._reserve(tx, request)
            )
        except UniqueConflict as conflict:
            if conflict.constraint != "project_save_files_pkey":
                raise
            raise PathInvalid(
                "A path appears twice in this save; send each file once.",
                metadata={"path": "", "rule": "duplicate_path"},
            ) from conflict
        await failpoints.hit(AFTER_RESERVE)
        return blobs

    async def record(self, request: pb.RecordFilesRequest) -> None:
        """Record what was written. A repeat changes nothing. Raises UploadSuperseded, InvalidField."""

        async def work(tx: Transaction) -> None:
            save_id = UUID(request.save_id)
            await renew(tx, request.owner_id, save_id, self._timing.lease)
            await record(tx, request.owner_id, save_id, list(request.entries))
            tx.with_commit([events.save_progress(request.owner_id, save_id)])
            await failpoints.hit(BEFORE_RECORD)

        await self._database.transact(user(request.owner_id), work)
        await failpoints.hit(AFTER_RECORD)

    async def renew(self, owner_id: str, save_id: UUID) -> float:
        """Renew the lease. Returns it in seconds. Raises UploadSuperseded."""
        lease = self._timing.lease
        await self._database.transact(user(owner_id), lambda tx: renew(tx, owner_id, save_id, lease))
        return lease

    async def _reserve(self, tx: Transaction, request: pb.ReserveFilesRequest) -> list[blob_pb2.Blob]:
        owner_id, save_id = request.owner_id, UUID(request.save_id)
        project_id, slug = await renew(tx, owner_id, save_id, self._timing.lease)
        if request.HasField("kept"):
            await tx.execute(_KEEP, _kept(request.kept, owner_id, project_id, save_id))
        wishes = _wishes(owner_id, slug, request)
        kind = request.kind or blob_pb2.BLOB_KIND_SINGLE
        params: dict[str, object] = {
            "owner": owner_id,
            "save": save_id,
            "project": project_id,
            "kind": kind,
            "storage_class": request.storage_class,
            "traceparent": origin(),
            **_columns(wishes),
        }
        telling = events.save_progress(owner_id, save_id)
        if not wishes:
            await tx.batch([telling])
            await failpoints.hit(BEFORE_RESERVE)
            return []
        _, judged, _ = await tx.fetch_batch([HASH_JOINS, (_RESERVE, params), telling])
        blobs = [
            _answer(
                owner_id,
                wish,
                kind,
                unchanged=unchanged,
                storage_class=request.storage_class,
                object_metadata=_says(wish, owner_id, save_id, executable),
            )
            for wish, (unchanged, executable) in zip(wishes, judged, strict=True)
        ]
        if any(blob.id for blob in blobs):
            allowed = quota.limits(await tx.fetch(*quota.read_limits(owner_id)), self._limits)
            await quota.ensure_room(tx, owner_id, allowed)
        await failpoints.hit(BEFORE_RESERVE)
        return blobs


def _columns(wishes: Sequence[_Wish]) -> dict[str, object]:
    """The files as arrays, one for each column of _RESERVE."""
    asked = [wish.asked for wish in wishes]
    return {
        "paths": [wish.path for wish in wishes],
        "keys": [wish.key for wish in wishes],
        "ids": [wish.blob_id for wish in wishes],
        "sizes": [file.size_bytes for file in asked],
        "hashes": [file.sha256 for file in asked],
        "types": [file.content_type for file in asked],
        "executables": [file.executable if file.HasField("executable") else None for file in asked],
    }


async def renew(tx: Transaction, owner_id: str, save_id: UUID, lease: float) -> Row:
    """Lock the save and renew its lease. Returns its project (id, slug). Raises UploadSuperseded."""
    row = await tx.fetch_one(_RENEW, {"owner": owner_id, "save": save_id, "lease": lease})
    if row is None:
        raise save_is_over()
    return row


async def record(tx: Transaction, owner_id: str, save_id: UUID, entries: list[pb.ManifestEntry]) -> None:
    """Record version id, entity tag and checksum of written files; the save is locked. Raises
    InvalidField.
    """
    if not entries:
        return
    for entry in entries:
        if not entry.file.version_id:
            raise InvalidField(
                "A project's object needs a version id.", field="entries.file.version_id", rule="required"
            )
    params: dict[str, object] = {
        "owner": owner_id,
        "save": save_id,
        "ids": [UUID(entry.blob_id) for entry in entries],
        "versions": [entry.file.version_id for entry in entries],
        "etags": [entry.file.etag for entry in entries],
        # Int8: psycopg derives the type of an array from its first number, and applies it to all arrays of
        # the statement.
        "crcs": [Int8(entry.file.crc32c) for entry in entries],
        "sizes": [Int8(entry.file.size_bytes) for entry in entries],
        "doubtful": [entry.doubtful for entry in entries],
    }
    _, changed = await tx.batch([HASH_JOINS, (_RECORD, params)])
    if changed != len(entries):
        raise InvalidField(
            f"{len(entries)} files were told, {changed} of them belong to this save with this size.",
            field="entries",
            rule="known",
        )
    scanned = [(UUID(entry.blob_id), entry.file.scan) for entry in entries if entry.file.HasField("scan")]
    if scanned:
        await tx.execute(*scans.note(owner_id, scanned))


def _kept(kept: pb.KeptFiles, owner_id: str, project_id: UUID, save_id: UUID) -> dict[str, object]:
    """Parameters of _KEEP."""
    return {
        "owner": owner_id,
        "project": project_id,
        "save": save_id,
        "after": kept.after,
        "up_to": kept.up_to,
        "left_out": list(kept.left_out),
    }


def _wishes(owner_id: str, slug: str, request: pb.ReserveFilesRequest) -> list[_Wish]:
    wishes = []
    for asked in request.files:
        path = normal_path(asked.path)
        wishes.append(_Wish(asked, path, project_file_key(owner_id, slug, path), uuid4()))
    return wishes


def _says(wish: _Wish, owner_id: str, save_id: UUID, executable: bool) -> dict[str, str]:
    """The object's metadata, as stored in the row."""
    known = {ATTEMPT_KEY: str(wish.blob_id), "user_id": owner_id, SAVE_KEY: str(save_id)}
    return known | ({EXECUTABLE_KEY: "true"} if executable else {})


def _answer(
    owner_id: str,
    wish: _Wish,
    kind: int,
    *,
    unchanged: bool,
    storage_class: str,
    object_metadata: dict[str, str],
) -> blob_pb2.Blob:
    if unchanged:
        return blob_pb2.Blob()
    if wish.asked.must_be_unchanged:
        shown = ascii(wish.path)[1:-1][:200]
        raise PreconditionFailed(
            f"The newest version has other content at {shown}; send the file.", metadata={"actual": shown}
        )
    return blob_pb2.Blob(
        id=str(wish.blob_id),
        owner_id=owner_id,
        state=blob_pb2.BLOB_STATE_PENDING,
        epoch=1,
        kind=blob_pb2.BlobKind.ValueType(kind),
        key=wish.key,
        content_type=wish.asked.content_type,
        object_metadata=object_metadata,
        spec=UploadSpec(storage_class=storage_class) if storage_class else None,
    )
