"""Compares files and files of projects with their blobs and details: rows against rows.

Each step is one statement and so one snapshot: it sees a transaction's changes together, so nothing in
progress looks wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Row
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BlobState
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_EVENT_MEDIA, FILE_FAMILY_GENERATION
from strongroom.metadata.v1.reservation_service_pb2 import DAMAGE_CORRUPT, DAMAGE_LOST

PAGE: Final = 2000
_ZERO: Final = UUID(int=0)
_FACTS: Final = ("key", "size_bytes", "crc32c", "etag", "version_id", "damage", "content_type")
_DAMAGE: Final = f"""
CASE coalesce({{table}}.damage, 0) WHEN {DAMAGE_LOST} THEN 'lost' WHEN {DAMAGE_CORRUPT} THEN 'corrupt'
    ELSE 'none' END
"""
#: Stores and clients write a charset with or without a space, in upper or lower case.
_TYPE: Final = "lower(replace({table}.content_type, ' ', ''))"
_BLOBS_TYPE: Final = _TYPE.format(table="blobs")
_BLOBS_DAMAGE: Final = _DAMAGE.format(table="blobs")

# The page is cut first; only wrong rows are returned.
_FILES: Final = f"""
WITH page AS MATERIALIZED (
    SELECT owner_id, id, family, blob_id, key, size_bytes, crc32c, etag, version_id,
        {_DAMAGE.format(table="files")} AS damage, {_TYPE.format(table="files")} AS content_type
    FROM files
    WHERE (owner_id, id) > (%(owner)s, %(id)s) ORDER BY owner_id, id LIMIT {PAGE}
), last AS (
    SELECT owner_id, id, (SELECT count(*) FROM page) AS count FROM page
    ORDER BY owner_id DESC, id DESC LIMIT 1
), wrong AS (
    SELECT page.*, blobs.state, ARRAY[blobs.key, blobs.size_bytes::text, blobs.crc32c::text, blobs.etag,
        blobs.version_id, {_BLOBS_DAMAGE}, {_BLOBS_TYPE}] AS facts,
        (page.family = {FILE_FAMILY_GENERATION}) = EXISTS (
            SELECT 1 FROM generations AS detail
            WHERE detail.owner_id = page.owner_id AND detail.file_id = page.id)
        AND (page.family = {FILE_FAMILY_EVENT_MEDIA}) = EXISTS (
            SELECT 1 FROM event_media AS detail
            WHERE detail.owner_id = page.owner_id AND detail.file_id = page.id) AS has_details
    FROM page LEFT JOIN blobs ON blobs.owner_id = page.owner_id AND blobs.id = page.blob_id
)
SELECT last.owner_id, last.id::text, last.count, wrong.owner_id, wrong.id::text, wrong.blob_id,
    ARRAY[wrong.key, wrong.size_bytes::text, wrong.crc32c::text, wrong.etag, wrong.version_id,
        wrong.damage, wrong.content_type],
    wrong.state, wrong.facts, wrong.has_details
FROM last LEFT JOIN wrong ON wrong.state IS DISTINCT FROM {COMMITTED}
    OR ARRAY[wrong.key, wrong.size_bytes::text, wrong.crc32c::text, wrong.etag, wrong.version_id,
        wrong.damage, wrong.content_type] IS DISTINCT FROM wrong.facts
    OR NOT wrong.has_details
"""
_PROJECT_FILES: Final = f"""
WITH page AS MATERIALIZED (
    SELECT owner_id, project_id, path, from_version, blob_id, size_bytes, crc32c, etag, version_id,
        {_DAMAGE.format(table="project_files")} AS damage,
        {_TYPE.format(table="project_files")} AS content_type
    FROM project_files
    WHERE (owner_id, project_id, path, from_version) > (%(owner)s, %(project)s, %(path)s, %(version)s)
    ORDER BY owner_id, project_id, path, from_version LIMIT {PAGE}
), last AS (
    SELECT owner_id, project_id, path, from_version, (SELECT count(*) FROM page) AS count FROM page
    ORDER BY owner_id DESC, project_id DESC, path DESC, from_version DESC LIMIT 1
), wrong AS (
    SELECT page.*, blobs.key, blobs.state, ARRAY[blobs.key, blobs.size_bytes::text, blobs.crc32c::text,
        blobs.etag, blobs.version_id, {_BLOBS_DAMAGE}, {_BLOBS_TYPE}] AS facts
    FROM page LEFT JOIN blobs ON blobs.owner_id = page.owner_id AND blobs.id = page.blob_id
)
SELECT last.owner_id, last.project_id || '/' || last.from_version || '/' || last.path, last.count,
    wrong.owner_id, 'project/' || wrong.project_id || '/' || wrong.path || '@' || wrong.from_version,
    wrong.blob_id,
    ARRAY[coalesce(wrong.key, ''), wrong.size_bytes::text, wrong.crc32c::text, wrong.etag, wrong.version_id,
        wrong.damage, wrong.content_type],
    wrong.state, wrong.facts, true
FROM last LEFT JOIN wrong ON wrong.state IS DISTINCT FROM {COMMITTED}
    OR ARRAY[wrong.size_bytes::text, wrong.crc32c::text, wrong.etag, wrong.version_id, wrong.damage,
        wrong.content_type] IS DISTINCT FROM wrong.facts[2:]
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Result of one step: findings, counts, and where to continue (empty: nowhere)."""

    findings: list[pb.Finding]
    counts: pb.VerificationCounts
    cursor: str


class Partners:
    """Compares rows; one instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def files(self, cursor: str) -> Step:
        """Check the next files."""
        owner, _, file_id = cursor.rpartition("\n")
        params = {"owner": owner, "id": UUID(file_id) if file_id else _ZERO}
        return _step(await self._database.read(SYSTEM, _FILES, params))

    async def project_files(self, cursor: str) -> Step:
        """Check the next files of projects."""
        return _step(await self._database.read(SYSTEM, _PROJECT_FILES, _after(cursor)))


def _after(cursor: str) -> dict[str, Any]:
    """Parse the cursor: owner, line feed, project/version/path. The path is last because it may contain
    slashes.
    """
    owner, _, row = cursor.rpartition("\n")
    project, _, rest = row.partition("/")
    version, _, path = rest.partition("/")
    return {
        "owner": owner,
        "project": UUID(project) if project else _ZERO,
        "path": path,
        "version": int(version or 0),
    }


def _step(rows: list[Row]) -> Step:
    if not rows:
        return Step([], pb.VerificationCounts(), "")
    owner, last, count = rows[0][:3]
    findings = [finding for row in rows if row[3] is not None for finding in _findings(row)]
    return Step(findings, pb.VerificationCounts(files=count), f"{owner}\n{last}" if count == PAGE else "")


def _findings(row: Row) -> list[pb.Finding]:
    owner, name, blob_id, facts, state, blob_facts, has_details = row[3:]
    about = {
        "owner_id": owner,
        "row": name,
        "blob_id": str(blob_id),
        "key": facts[0],
        "version_id": facts[4],
        "size_bytes": int(facts[1]),
    }
    found = []
    if state != COMMITTED:
        was = "" if state is None else enum_word(BlobState.DESCRIPTOR, state)
        expected = enum_word(BlobState.DESCRIPTOR, COMMITTED)
        found.append(
            pb.Finding(kind=pb.FINDING_KIND_FILE_WITHOUT_BLOB, expected=expected, found=was, **about)
        )
    elif differing := [n for n in range(len(_FACTS)) if facts[n] != blob_facts[n]]:
        of_blob = ", ".join(f"{_FACTS[n]} {blob_facts[n]}" for n in differing)
        of_file = ", ".join(f"{_FACTS[n]} {facts[n]}" for n in differing)
        found.append(pb.Finding(kind=pb.FINDING_KIND_FILE_DIFFERS, expected=of_blob, found=of_file, **about))
    if not has_details:
        expected = "details of the file's family, and of no other"
        found.append(pb.Finding(kind=pb.FINDING_KIND_DETAIL_MISSING, expected=expected, **about))
    return found
