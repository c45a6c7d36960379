"""The independent checker: reads only Postgres, S3 and the clients' log.

It shares no code with the services: its statements are written here, keys and states are read as they are.
Call ``wait_drained`` first. Then ``problems`` describes every broken promise; an empty list is the proof.
"""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import namedtuple_row

from devstack import bucket
from devstack.stackfile import S3Entry
from tests.stack import until

COMMITTED: Final = 3
GONE: Final = 6
_SECOND_LOOK_LATER: Final = "(blobs.kind = 4 AND blobs.not_before > now() + interval '1 minute')"
"""Kind LEFTOVERS, due long after the test: when a direct upload's signed requests have expired."""
Expected = Literal["hidden", "visible", "either"]


@dataclass
class Upload:
    """A client's knowledge of one upload. ``request_id``: its idempotency key. ``acked``: the S3 key in the
    service's answer; empty until the service has acknowledged it.
    """

    owner: str
    request_id: str
    body: bytes
    acked: str = ""
    deleted: bool = False
    replies: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class StoredFile:
    """A visible file with its blob, from Postgres."""

    id: str
    key: str
    version_id: str
    size_bytes: int


class Checker:
    """Reads one database (as superuser) and one bucket."""

    def __init__(self, dsn: str, s3: S3Entry) -> None:
        self.delivered_twice = set[str]()
        """Owners whose PutObject arrived twice: a second version exists until the file is deleted."""
        self.dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None
        self.bucket = s3.bucket
        self.s3: Any = bucket.client(s3)

    def query(self, sql: str, *values: object) -> list[Any]:
        """Rows of one statement. If Postgres restarts, only waits are retried: see ``wait_drained``."""
        try:
            return self._connected().execute(sql.encode(), values).fetchall()
        except psycopg.OperationalError:  # Postgres has restarted since the last one
            return self._connected().execute(sql.encode(), values).fetchall()

    def execute(self, sql: str, *values: object) -> None:
        """Change rows as superuser, to plant something."""
        try:
            self._connected().execute(sql.encode(), values or None)
        except psycopg.OperationalError:  # as in ``query``
            self._connected().execute(sql.encode(), values or None)

    def _connected(self) -> psycopg.Connection[Any]:
        """One connection for all statements while it lives: to open one costs more than a query."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, row_factory=namedtuple_row)
            weakref.finalize(self, self._connection.close)
        return self._connection

    def wait_drained(self, seconds: float = 60.0) -> None:
        """Wait until no owner has an open attempt, an object being removed, or a tombstone."""
        until("every attempt has ended", self.is_drained, seconds, pause=0.1)

    def wait_removed(self, seconds: float = 60.0) -> None:
        """Wait until only tombstones are left of attempts that were not committed."""
        until("all but tombstones has ended", self._is_removed, seconds, pause=0.1)

    def end_tombstones(self, seconds: float = 60.0) -> None:
        """End the tombstones' time, however long, and wait until they are gone.

        Only allowed if no request is in flight to the store (rule R5).
        """
        self.expire_tombstones(seconds)
        self.wait_drained(seconds)

    def expire_tombstones(self, seconds: float = 60.0) -> None:
        """``end_tombstones`` without waiting for the cleaner."""
        self.wait_removed(seconds)
        self.execute("UPDATE blobs SET not_before = now() WHERE state = 6")

    def _is_removed(self) -> bool:
        try:
            return not self.query("SELECT 1 FROM blobs WHERE state NOT IN (3, 6) LIMIT 1")
        except psycopg.OperationalError:
            return False  # Postgres restarts

    def wait_no_open_uploads(self, seconds: float = 60.0) -> None:
        """Wait until the sweep has aborted uploads without a row."""
        until("no multipart upload is open", lambda: not self.open_uploads(), seconds, pause=0.2)

    def is_drained(self) -> bool:
        """Whether every blob row is COMMITTED, and housekeeping has handled every ended session."""
        try:
            return not self.unsettled() and not self._unswept_sessions()
        except psycopg.OperationalError:
            return False  # Postgres restarts

    def unsettled(self, owner: str | None = None) -> list[Any]:
        """Blob rows that are not COMMITTED: PENDING, COMPLETING, DELETING, ABORTING, GONE.

        Without rows that only say when a key is checked again.
        """
        return self.query(
            "SELECT owner_id, id, state, key FROM blobs"
            f" WHERE state <> 3 AND NOT {_SECOND_LOOK_LATER} AND owner_id = coalesce(%s, owner_id)",
            owner,
        )

    def _unswept_sessions(self) -> list[Any]:
        return self.query(
            "SELECT upload_id FROM upload_sessions AS session WHERE swept_at IS NULL AND NOT EXISTS ("
            " SELECT 1 FROM blobs WHERE (blobs.owner_id, blobs.id) = (session.owner_id, session.blob_id)"
            " AND blobs.state IN (1, 2))"
        )

    def files(self, owner: str, request_id: str) -> list[StoredFile]:
        """The visible files of this request."""
        rows = self.query(
            "SELECT f.id, f.key, f.version_id, f.size_bytes FROM files f JOIN blobs b"
            " ON (b.owner_id, b.id) = (f.owner_id, f.blob_id)"
            " WHERE f.owner_id = %s AND b.request_id = %s AND f.deleted_at IS NULL",
            owner,
            request_id,
        )
        return [StoredFile(str(row.id), row.key, row.version_id, row.size_bytes) for row in rows]

    def problems(self, *log: Upload) -> list[str]:
        """Everything that is wrong: leaks, contradictions between rows, broken promises to these clients."""
        return [
            *self._damage(None),
            *(problem for upload in log for problem in self._broken_promises(upload)),
        ]

    def must_hold(self, upload: Upload, expected: Expected) -> list[str]:
        """``problems`` of this owner, and whether the file is visible or hidden as the crash point
        demands.
        """
        found = len(self.files(upload.owner, upload.request_id))
        wrong = {"hidden": found != 0, "visible": found != 1, "either": found > 1}[expected]
        extra = [f"{upload.request_id}: {found} visible files, must be {expected}"] if wrong else []
        return [*extra, *self._damage(upload.owner), *self._broken_promises(upload)]

    def damage_of(self, owner: str) -> list[str]:
        """``problems`` of this owner."""
        return self._damage(owner)

    def content(self, key: str, version_id: str) -> bytes | None:
        """The bytes of an object; None if it does not exist."""
        version = {"VersionId": version_id} if version_id else {}
        try:
            reply = self.s3.get_object(Bucket=self.bucket, Key=key, **version)
        except self.s3.exceptions.NoSuchKey:
            return None
        body: bytes = reply["Body"].read()
        return body

    def open_uploads(self) -> list[tuple[str, str]]:
        """Key and id of every open multipart upload in the bucket."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        return [(found["Key"], found["UploadId"]) for page in pages for found in page.get("Uploads", [])]

    def abort_upload(self, key: str, number: str) -> None:
        """Abort a multipart upload directly in the store, like a lifecycle rule."""
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=number)

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload directly in the store. Returns its id."""
        upload_id: str = self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        return upload_id

    def versions(self) -> list[tuple[str, str, str]]:
        """Every object version and delete marker in the bucket: key, version id, ``object`` or ``marker``.

        Without the object that names the bucket's installation.
        """
        found = []
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            found += [(item["Key"], item["VersionId"], "object") for item in page.get("Versions", [])]
            found += [(item["Key"], item["VersionId"], "marker") for item in page.get("DeleteMarkers", [])]
        return [one for one in found if not one[0].startswith(".strongroom/")]

    def _damage(self, owner: str | None) -> list[str]:
        """Leaks and contradictions; with ``owner`` only that owner's (their keys contain the name)."""
        return [
            *self._leaked_uploads(f"/{owner}/" if owner else ""),
            *self._objects_against_rows(f"/{owner}/" if owner else ""),
            *self._rows_against_rows(owner),
            *self._wrong_usage(owner),
        ]

    def _leaked_uploads(self, part: str) -> list[str]:
        return [
            f"open multipart upload {number} of {key}" for key, number in self.open_uploads() if part in key
        ]

    def _objects_against_rows(self, part: str) -> list[str]:
        """Each object version belongs to one COMMITTED blob, and each COMMITTED blob has its object."""
        rows = self.query("SELECT key, version_id FROM blobs WHERE state = %s", COMMITTED)
        wanted = {(row.key, row.version_id or "null") for row in rows if part in row.key}
        found = [version for version in self.versions() if part in version[0]]
        there = {(key, version) for key, version, kind in found if kind == "object"}
        there -= {extra for extra in there - wanted if self._is_twin(*extra)}
        markers = [key for key, _, kind in found if kind == "marker"]
        return [
            *(f"object without a row: {key} version {version}" for key, version in sorted(there - wanted)),
            *(f"row without its object: {key} version {version}" for key, version in sorted(wanted - there)),
            *(f"delete marker left: {key}" for key in markers),
        ]

    def _is_twin(self, key: str, version: str) -> bool:
        """Swift creates a version for every Complete that arrives before the first has ended. It has the
        parts of the committed one, no bytes of its own, and is removed with it: deleting one would destroy
        both. The same holds for a PutObject that a proxy delivered twice, whose versions can't be
        distinguished.
        """
        head = self.s3.head_object(Bucket=self.bucket, Key=key, VersionId=version)
        return bool(
            self.query(
                "SELECT 1 FROM blobs WHERE state = 3 AND key = %s AND id::text = %s"
                " AND (upload_id <> '' OR owner_id = ANY(%s))",
                key,
                head["Metadata"].get("strongroom-attempt", ""),
                list(self.delivered_twice),
            )
        )

    def _rows_against_rows(self, owner: str | None) -> list[str]:
        """Files and COMMITTED blobs name each other; nothing else is left."""
        orphans = self.query(
            "SELECT b.key, b.state FROM blobs b"
            " LEFT JOIN files f ON (f.owner_id, f.blob_id) = (b.owner_id, b.id)"
            f" WHERE NOT {_SECOND_LOOK_LATER.replace('blobs', 'b')}"
            " AND b.owner_id = coalesce(%s, b.owner_id) AND (f.id IS NULL OR b.state <> 3"
            " OR b.file_id IS DISTINCT FROM f.id OR b.key <> f.key OR b.version_id <> f.version_id"
            " OR b.size_bytes <> f.size_bytes OR b.crc32c <> f.crc32c)",
            owner,
        )
        held = self.query(
            "SELECT i.owner_id, i.request_id FROM idempotency_keys i JOIN blobs b"
            " ON (b.owner_id, b.id) = (i.owner_id, i.blob_id) WHERE i.reply IS NULL"
            " AND b.owner_id = coalesce(%s, b.owner_id)",
            owner,
        )
        return [
            *(f"blob in state {row.state} that no file matches: {row.key}" for row in orphans),
            *(f"committed, but its answer is not kept: {row.owner_id}/{row.request_id}" for row in held),
        ]

    def _wrong_usage(self, owner: str | None) -> list[str]:
        rows = self.query(
            "SELECT o.owner_id, coalesce(f.bytes, 0) AS bytes, coalesce(f.count, 0) AS count,"
            " coalesce(u.bytes, 0) AS used, coalesce(u.count, 0) AS counted"
            " FROM (SELECT owner_id FROM usage UNION SELECT owner_id FROM files) o"
            " LEFT JOIN"
            " (SELECT owner_id, sum(size_bytes) AS bytes, count(*) AS count FROM files"
            " WHERE deleted_at IS NULL GROUP BY 1) f"
            " USING (owner_id)"
            " LEFT JOIN"
            " (SELECT owner_id, sum(used_bytes) AS bytes, sum(file_count) AS count FROM usage GROUP BY 1) u"
            " USING (owner_id)"
            " WHERE (coalesce(f.bytes, 0), coalesce(f.count, 0))"
            " <> (coalesce(u.bytes, 0), coalesce(u.count, 0)) AND o.owner_id = coalesce(%s, o.owner_id)",
            owner,
        )
        reserved = self.query(
            "SELECT owner_id, reserved_bytes FROM blobs"
            " WHERE state IN (1, 2) AND owner_id = coalesce(%s, owner_id)",
            owner,
        )
        return [
            *(
                f"usage of {row.owner_id}: {row.used} B in {row.counted}, files: {row.bytes} B in {row.count}"
                for row in rows
            ),
            *(f"{row.reserved_bytes} B still reserved for {row.owner_id}" for row in reserved),
        ]

    def _broken_promises(self, upload: Upload) -> list[str]:
        """Acknowledged files are visible once, under the answered key; visible files are whole."""
        files = self.files(upload.owner, upload.request_id)
        name = f"{upload.owner}/{upload.request_id}"
        if upload.deleted:
            return [f"{name}: deleted, yet visible as {file.key}" for file in files]
        problems = [f"{name}: visible {len(files)} times"] if len(files) > 1 else []
        if upload.acked and [file.key for file in files] != [upload.acked]:
            problems.append(
                f"{name}: acknowledged as {upload.acked}, visible: {[file.key for file in files]}"
            )
        for file in files:
            content = self.content(file.key, file.version_id)
            if content is None or (len(content), _digest(content)) != (file.size_bytes, _digest(upload.body)):
                problems.append(f"{name}: {file.key} does not hold the bytes that were sent")
        return problems


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
