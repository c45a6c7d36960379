"""Planted faults: rows changed as superuser, objects changed without the services, bits flipped on the disk.

Each planter returns what a verification must report: pairs of kind and key (or owner, if there is no key).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import psycopg

from devstack.stackfile import S3Entry
from strongroom import Client
from tests.e2e.belongings import TUS, Belongings, upload
from tests.faults.checker import Checker
from tests.faults.verifying.described import (
    media_type_changed_in_a_project,
    media_type_changed_in_blobs,
    media_type_changed_in_files,
    media_type_of_an_object_changed,
    metadata_of_a_row_changed,
    metadata_of_a_row_emptied,
    metadata_of_an_object_emptied,
    metadata_of_another_attempt,
    version_replaced_by_a_copy,
)
from tests.faults.verifying.quarantined import (
    bytes_in_quarantine_deleted,
    bytes_in_quarantine_without_a_manifest,
    manifest_damaged,
    manifest_of_another_key,
)
from tests.stack import RunningStack

Expected: TypeAlias = set[tuple[str, str]]
LOST: Final = frozenset({"object_missing", "checksum_mismatch"})
MENDED: Final[frozenset[str]] = frozenset()
ATTEMPT: Final = "strongroom-attempt"


class Planting:
    """One stack, its database and its bucket. ``disk``: the object store's files."""

    def __init__(self, stack: RunningStack, disk: Path) -> None:
        self._stack = stack
        self._disk = disk
        self._clients: list[httpx.Client] = []
        self.stays: list[tuple[str, str]] = []
        """Owners and keys of files found to be wrong, which must be readable after a repair all the same."""
        state = stack.state
        self._dsn: str = state["postgres"]["dsn"]
        entry = S3Entry(**state["s3"])
        self.bucket = entry.bucket
        checker = Checker(self._dsn, entry)
        self.rows = checker.query
        self.s3 = checker.s3

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def http(self, owner: str) -> httpx.Client:
        self._clients.append(self._stack.http(owner))
        return self._clients[-1]

    def owner(self) -> str:
        return f"planted-{uuid.uuid4()}"

    def belongings(self) -> Belongings:
        owner = self.owner()
        return Belongings(owner, self.http(owner))

    def file(self, body: bytes | None = None) -> tuple[str, str]:
        """A file of a new user: owner and key."""
        owner = self.owner()
        content = body if body is not None else uuid.uuid4().bytes * 4
        reply = self.http(owner).post(
            "/api/v1/s3/upload", files=upload(content, "a.bin", "application/octet-stream")
        )
        assert reply.status_code == 201, reply.text
        return owner, str(reply.json()["key"])

    def sql(self, statement: str, *values: object) -> None:
        """Execute exactly this, bypassing foreign keys and policies; it must change something."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(statement.encode(), values).rowcount > 0, statement

    def client(self, owner: str, **claims: object) -> Client:
        """An SDK client; the caller closes it."""
        state = self._stack.state
        return Client(
            state["storage"]["address"],
            state["metadata"]["address"],
            token=self._stack.token(owner, **claims),
        )

    def versions(self, key: str) -> list[str]:
        listed = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key)
        return [one["VersionId"] for one in listed.get("Versions", []) if one["Key"] == key]

    def put(self, key: str, body: bytes, **metadata: str) -> str:
        reply = self.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body,
            Metadata={k.replace("_", "-"): v for k, v in metadata.items()},
        )
        return str(reply["VersionId"])

    def open_upload(self, key: str, *parts: bytes) -> None:
        made = self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        for number, part in enumerate(parts, 1):
            self.s3.upload_part(Bucket=self.bucket, Key=key, UploadId=made, PartNumber=number, Body=part)

    def rot(self, body: bytes) -> None:
        """Flip one bit of the only object with this content."""
        kept = [
            path
            for path in self._disk.rglob("*.data")
            if path.stat().st_size == len(body) and path.read_bytes() == body
        ]
        assert len(kept) == 1, kept
        kept[0].write_bytes(bytes([body[0] ^ 1]) + body[1:])


def object_deleted(at: Planting) -> Expected:
    _, key = at.file()
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=at.versions(key)[0])
    return {("object_missing", key)}


def object_deleted_of_a_project(at: Planting) -> Expected:
    mine = at.belongings()
    key = f"projects/{mine.name}/{mine.project}/index.html"
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=at.versions(key)[0])
    return {("object_missing", key)}


def bit_flipped_on_disk(at: Planting) -> Expected:
    body = uuid.uuid4().bytes * 512
    _, key = at.file(body)
    at.rot(body)
    return {("checksum_mismatch", key)}


def files_row_deleted(at: Planting) -> Expected:
    owner, key = at.file()
    at.sql("DELETE FROM files WHERE key = %s", key)
    return {("blob_without_file", key), ("usage_drift", owner)}


def files_and_blobs_rows_deleted(at: Planting) -> Expected:
    owner, key = at.file()
    at.sql("DELETE FROM files WHERE key = %s", key)
    at.sql("DELETE FROM blobs WHERE key = %s", key)
    return {("object_orphaned", key), ("usage_drift", owner)}


def alien_object(at: Planting) -> Expected:
    key = f"uploads/alien/{uuid.uuid4()}.bin"
    at.put(key, b"alien")
    return {("object_orphaned", key)}


def alien_object_among_generations(at: Planting) -> Expected:
    key = f"alien/text-to-image/2026-01-01-{uuid.uuid4()}.png"
    at.put(key, b"alien", strongroom_attempt=str(uuid.uuid4()))
    return {("object_orphaned", key)}


def upload_without_a_row(at: Planting) -> Expected:
    key = f"uploads/alien/{uuid.uuid4()}.bin"
    at.open_upload(key)
    return {("upload_abandoned", key)}


def upload_without_parts_at_a_known_key(at: Planting) -> Expected:
    _, key = at.file()
    at.open_upload(key)
    return {("upload_abandoned", key)}


def upload_with_a_part_at_a_known_key(at: Planting) -> Expected:
    _, key = at.file()
    at.open_upload(key, b"part")
    return {("upload_abandoned", key)}


def size_changed_in_files(at: Planting) -> Expected:
    owner, key = at.file()
    at.sql("UPDATE files SET size_bytes = size_bytes + 1 WHERE key = %s", key)
    return {("file_differs", key), ("usage_drift", owner)}


def checksum_changed_in_files(at: Planting) -> Expected:
    _, key = at.file()
    at.sql("UPDATE files SET crc32c = crc32c # 1 WHERE key = %s", key)
    return {("file_differs", key)}


def usage_changed(at: Planting) -> Expected:
    owner, _ = at.file()
    at.sql("UPDATE usage SET used_bytes = used_bytes + 1000000 WHERE owner_id = %s", owner)
    return {("usage_drift", owner)}


def delete_marker(at: Planting) -> Expected:
    _, key = at.file()
    at.s3.delete_object(Bucket=at.bucket, Key=key)
    return {("delete_marker", key)}


def delete_marker_on_a_project_file(at: Planting) -> Expected:
    mine = at.belongings()
    key = f"projects/{mine.name}/{mine.project}/index.html"
    at.s3.delete_object(Bucket=at.bucket, Key=key)
    return {("delete_marker", key)}


def foreign_version_on_top(at: Planting) -> Expected:
    _, key = at.file()
    at.put(key, b"foreign")
    return {("foreign_version", key)}


def foreign_version_at_a_path(at: Planting) -> Expected:
    owner = at.owner()
    with at.client(owner) as client:
        key = client.files.upload_file(b"mine", "docs/a.txt").key
    at.put(key, b"foreign", strongroom_attempt=str(uuid.uuid4()))
    return {("foreign_version", key)}


def size_changed_in_both(at: Planting) -> Expected:
    owner, key = at.file()
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET size_bytes = size_bytes + 1 WHERE key = %s", key)
    return {("size_mismatch", key), ("usage_drift", owner)}


def object_truncated(at: Planting) -> Expected:
    """The version in the rows is shorter than they say."""
    body = uuid.uuid4().bytes * 4
    _, key = at.file(body)
    (old,) = at.versions(key)
    metadata = at.s3.head_object(Bucket=at.bucket, Key=key, VersionId=old)["Metadata"]
    kind = "application/octet-stream"
    made = at.s3.put_object(Bucket=at.bucket, Key=key, Body=body[:-1], Metadata=metadata, ContentType=kind)
    new = str(made["VersionId"])
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=old)
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = %s WHERE key = %s", new, key)
    return {("size_mismatch", key), ("etag_mismatch", key)}


def checksum_changed_in_both(at: Planting) -> Expected:
    _, key = at.file()
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET crc32c = crc32c # 1 WHERE key = %s", key)
    return {("checksum_mismatch", key)}


def etag_changed_in_both(at: Planting) -> Expected:
    _, key = at.file()
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET etag = md5(etag) WHERE key = %s", key)
    return {("etag_mismatch", key)}


def details_deleted(at: Planting) -> Expected:
    mine = at.belongings()
    key = mine.generation["s3_key"]
    at.sql("DELETE FROM generations WHERE owner_id = %s", mine.name)
    return {("detail_missing", key), ("tally_drift", mine.name)}


def tally_changed(at: Planting) -> Expected:
    mine = at.belongings()
    assert mine.generation
    at.sql("UPDATE generation_tallies SET count = count + 1 WHERE owner_id = %s", mine.name)
    return {("tally_drift", mine.name)}


def blob_of_a_file_in_another_state(at: Planting) -> Expected:
    _, key = at.file()
    at.sql("UPDATE blobs SET state = 4, not_before = now() + interval '1 day' WHERE key = %s", key)
    return {("file_without_blob", key)}


def blob_row_deleted(at: Planting) -> Expected:
    """Delete a blob's row. Its file still shows the object, so the object must not be moved."""
    owner, key = at.file()
    at.sql("DELETE FROM blobs WHERE key = %s", key)
    at.stays.append((owner, key))
    return {("file_without_blob", key)}


def blob_row_deleted_of_a_medium(at: Planting) -> Expected:
    """The key does not contain the owner."""
    mine = at.belongings()
    assert mine.medium
    ((key,),) = at.rows("SELECT key FROM files WHERE owner_id = %s", mine.name)
    at.sql("DELETE FROM blobs WHERE key = %s", key)
    at.stays.append((mine.name, key))
    return {("file_without_blob", key)}


def blob_row_deleted_of_a_project(at: Planting) -> Expected:
    mine = at.belongings()
    key = f"projects/{mine.name}/{mine.project}/index.html"
    at.sql("DELETE FROM blobs WHERE key = %s", key)
    return {("file_without_blob", mine.name)}


def owner_changed_in_blobs(at: Planting) -> Expected:
    """No file of the new owner shows the blob, and the file's own is gone: it is one object for both."""
    owner, key = at.file()
    at.sql("UPDATE blobs SET owner_id = owner_id || 'x' WHERE key = %s", key)
    at.stays.append((owner, key))
    return {("blob_without_file", key), ("file_without_blob", key)}


def project_file_differs(at: Planting) -> Expected:
    mine = at.belongings()
    key = f"projects/{mine.name}/{mine.project}/index.html"
    at.sql("UPDATE project_files SET etag = md5(etag) WHERE owner_id = %s", mine.name)
    return {("file_differs", key)}


def segment_deleted(at: Planting) -> Expected:
    mine = at.belongings()
    reply = mine.http.post("/files", headers=TUS | {"upload-length": "10"})
    assert reply.status_code == 201, reply.text
    headers = TUS | {"upload-offset": "0", "content-type": "application/offset+octet-stream"}
    path = httpx.URL(reply.headers["location"]).path
    assert mine.http.patch(path, headers=headers, content=b"abc").status_code == 204
    rows = at.rows("SELECT blob_id FROM upload_sessions WHERE owner_id = %s", mine.name)
    listed = at.s3.list_objects_v2(Bucket=at.bucket, Prefix=f"segments/{rows[0][0]}/")["Contents"]
    (key,) = [one["Key"] for one in listed]
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=at.versions(key)[0])
    return {("segment_missing", key)}


#: Each with what stays after a repair: bytes that are nowhere, rows that only a backup has, and parts that
#: may be a file.
FAULTS: Final[tuple[tuple[Callable[[Planting], Expected], frozenset[str]], ...]] = (
    (object_deleted, LOST),
    (object_deleted_of_a_project, LOST),
    (bit_flipped_on_disk, LOST),
    (files_row_deleted, MENDED),
    (files_and_blobs_rows_deleted, MENDED),
    (alien_object, MENDED),
    (alien_object_among_generations, MENDED),
    (upload_without_a_row, MENDED),
    (upload_without_parts_at_a_known_key, MENDED),
    (upload_with_a_part_at_a_known_key, frozenset({"upload_abandoned"})),
    (size_changed_in_files, MENDED),
    (checksum_changed_in_files, MENDED),
    (usage_changed, MENDED),
    (delete_marker, MENDED),
    (delete_marker_on_a_project_file, MENDED),
    (foreign_version_on_top, MENDED),
    (foreign_version_at_a_path, MENDED),
    (size_changed_in_both, MENDED),
    (object_truncated, frozenset({"size_mismatch", "etag_mismatch"})),
    (checksum_changed_in_both, MENDED),
    (etag_changed_in_both, MENDED),
    (version_replaced_by_a_copy, MENDED),
    (metadata_of_another_attempt, MENDED),
    (metadata_of_an_object_emptied, MENDED),
    (media_type_of_an_object_changed, MENDED),
    (metadata_of_a_row_emptied, MENDED),
    (metadata_of_a_row_changed, MENDED),
    (media_type_changed_in_blobs, MENDED),
    (media_type_changed_in_files, MENDED),
    (media_type_changed_in_a_project, MENDED),
    (details_deleted, frozenset({"detail_missing"})),
    (tally_changed, MENDED),
    (blob_of_a_file_in_another_state, frozenset({"file_without_blob"})),
    (blob_row_deleted, frozenset({"file_without_blob"})),
    (blob_row_deleted_of_a_medium, frozenset({"file_without_blob"})),
    (blob_row_deleted_of_a_project, frozenset({"file_without_blob"})),
    (owner_changed_in_blobs, frozenset({"blob_without_file", "file_without_blob"})),
    (project_file_differs, MENDED),
    (segment_deleted, frozenset({"segment_missing"})),
    (manifest_damaged, frozenset({"quarantine_damaged"})),
    (manifest_of_another_key, frozenset({"quarantine_damaged"})),
    (bytes_in_quarantine_without_a_manifest, frozenset({"quarantine_damaged"})),
    (bytes_in_quarantine_deleted, frozenset({"quarantine_damaged"})),
)
