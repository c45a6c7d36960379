"""The independent checker of projects: reads only Postgres, S3 and the clients' log.

It shares no code with the services. Call ``wait_drained`` first; then ``problems`` describes every broken
promise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from tests.faults.cell import Cell
from tests.stack import until

COMMITTED: Final = 3
Content = dict[str, bytes]


class ProjectChecker:
    """Checks one project ``slug`` of each owner."""

    def __init__(self, cell: Cell, slug: str) -> None:
        self._cell = cell
        self._slug = slug
        self._s3: Any = cell.checker.s3

    def wait_drained(self, owner: str | None = None) -> None:
        """Wait until no save is in progress, no blob is being removed and no key has a pending look."""
        try:
            until("every save has ended and every key is settled", lambda: not self._left(owner), 400)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._left(owner)}") from error

    def version(self, owner: str) -> int:
        """The newest version; 0: there is no project."""
        rows = self._rows("SELECT version FROM projects WHERE owner_id = %s", owner)
        return int(rows[0].version) if rows else 0

    def versions(self, owner: str) -> set[int]:
        """The existing versions."""
        rows = self._rows("SELECT version FROM project_versions WHERE owner_id = %s", owner)
        return {int(row.version) for row in rows}

    def problems(self, owner: str, versions: Sequence[Content | None]) -> list[str]:
        """``versions``: the expected content of version 1, 2, … (None: removed by a rule); empty: the project
        must be gone without a trace.
        """
        rows = self._rows(
            "SELECT f.* FROM project_files f"
            " JOIN projects p ON (p.owner_id, p.id) = (f.owner_id, f.project_id)"
            " WHERE f.owner_id = %s AND p.slug = %s",
            owner,
            self._slug,
        )
        return [
            *self._wrong_version_count(owner, versions),
            *(
                wrong
                for number, content in enumerate(versions, 1)
                if content is not None
                for wrong in self._wrong_content(owner, rows, number, content)
            ),
            *self._wrong_objects(owner, rows, versions),
            *self._wrong_blobs(owner, rows),
            *self._leftovers(owner),
        ]

    def _left(self, owner: str | None) -> list[str]:
        rows = self._rows(
            "SELECT 'blob in state ' || state || ' of ' || key AS what FROM blobs"
            " WHERE state <> 3 AND owner_id = coalesce(%s, owner_id)"
            " UNION ALL SELECT 'save ' || id FROM project_saves WHERE owner_id = coalesce(%s, owner_id)"
            " UNION ALL SELECT 'key ' || key || ' looked at ' || attempts || ' times' FROM project_keys"
            " WHERE owner_id = coalesce(%s, owner_id)",
            *(owner,) * 3,
        )
        return [row.what for row in rows]

    def _wrong_version_count(self, owner: str, versions: Sequence[Content | None]) -> list[str]:
        found = self.version(owner)
        return [] if found == len(versions) else [f"version {found}, must be {len(versions)}"]

    def _wrong_content(self, owner: str, rows: list[Any], number: int, content: Content) -> list[str]:
        shown = {
            row.path: row
            for row in rows
            if row.from_version <= number and (row.until_version is None or row.until_version > number)
        }
        if set(shown) != set(content):
            return [f"version {number} shows {sorted(shown)[:5]}…, must be {sorted(content)[:5]}…"]
        problems = []
        for path, body in content.items():
            key = f"{self._prefix(owner)}{path}"
            if shown[path].sha256 != hashlib.sha256(body).digest():
                problems.append(f"version {number}: the row of {path} is about other content")
            elif self._cell.checker.content(key, shown[path].version_id) != body:
                problems.append(f"version {number}: {path} does not hold its bytes")
        return problems

    def _wrong_objects(self, owner: str, rows: list[Any], versions: Sequence[Content | None]) -> list[str]:
        """The bucket has exactly the versions in rows, markers exactly where something is hidden, and as
        current objects the newest version.
        """
        prefix = self._prefix(owner)
        entries = self._versions(prefix)
        objects = {(key, version) for key, version, marker, _ in entries if not marker}
        wanted = {(prefix + row.path, row.version_id) for row in rows}
        newest = {prefix + path for path in (versions[-1] or ())} if versions else set()
        hidden = {key for key, _ in wanted} - newest
        markers = [key for key, _, marker, _ in entries if marker]
        current = {(key, version) for key, version, marker, latest in entries if latest and not marker}
        showing = {(prefix + row.path, row.version_id) for row in rows if row.until_version is None}
        return [
            *(f"object without a row: {entry}" for entry in sorted(objects - wanted)),
            *(f"row without its object: {entry}" for entry in sorted(wanted - objects)),
            *(
                f"delete markers of {key}: {markers.count(key)}"
                for key in {*markers, *hidden}
                if markers.count(key) != (key in hidden)
            ),
            *(f"current, but not of the newest version: {entry}" for entry in sorted(current - showing)),
            *(f"of the newest version, but not current: {entry}" for entry in sorted(showing - current)),
        ]

    def _wrong_blobs(self, owner: str, rows: list[Any]) -> list[str]:
        blobs = self._rows(
            "SELECT id, key, state, version_id, size_bytes FROM blobs WHERE owner_id = %s", owner
        )
        named = {row.blob_id: row for row in rows}
        problems = [f"blob of {blob.key} in state {blob.state}" for blob in blobs if blob.state != COMMITTED]
        problems += [f"blob of {blob.key} that no version shows" for blob in blobs if blob.id not in named]
        problems += [
            f"blob and file of {blob.key} differ"
            for blob in blobs
            if blob.id in named
            and (blob.version_id, blob.size_bytes) != (named[blob.id].version_id, named[blob.id].size_bytes)
        ]
        (used,) = self._rows(
            "SELECT coalesce(sum(used_bytes), 0)::bigint AS bytes,"
            " coalesce(sum(file_count), 0)::bigint AS files FROM usage WHERE owner_id = %s",
            owner,
        )
        counted = (sum(row.size_bytes for row in rows), len(rows))
        if (used.bytes, used.files) != counted:
            problems.append(f"usage is {used.bytes} B in {used.files}, files: {counted}")
        return problems

    def _leftovers(self, owner: str) -> list[str]:
        tables = ("project_saves", "project_save_files", "project_keys")
        counts = [
            (table, self._rows(f"SELECT count(*) AS n FROM {table} WHERE owner_id = %s", owner)[0].n)
            for table in tables
        ]
        return [
            *(f"{count} rows left in {table}" for table, count in counts if count),
            *(
                f"open multipart upload of {key}"
                for key, _ in self._cell.checker.open_uploads()
                if owner in key
            ),
        ]

    def _versions(self, prefix: str) -> list[tuple[str, str, bool, bool]]:
        """Key, version id, whether it is a delete marker, whether it is the latest."""
        found = []
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._cell.store.bucket, Prefix=prefix
        )
        for page in pages:
            found += [(v["Key"], v["VersionId"], False, v["IsLatest"]) for v in page.get("Versions", [])]
            found += [(v["Key"], v["VersionId"], True, v["IsLatest"]) for v in page.get("DeleteMarkers", [])]
        return found

    def _prefix(self, owner: str) -> str:
        return f"projects/{owner}/{self._slug}/"

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._cell.checker.query(query, *values)
