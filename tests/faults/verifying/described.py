"""Planted faults in what rows and objects say about the bytes; see ``planting``."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from tests.e2e.belongings import Belongings


class Planted(Protocol):
    """Implemented by ``planting.Planting``."""

    bucket: str
    s3: Any

    def file(self, body: bytes | None = None) -> tuple[str, str]: ...
    def belongings(self) -> Belongings: ...
    def put(self, key: str, body: bytes, **metadata: str) -> str: ...
    def versions(self, key: str) -> list[str]: ...
    def sql(self, statement: str, *values: object) -> None: ...


def version_replaced_by_a_copy(at: Planted) -> set[tuple[str, str]]:
    """Like copying a bucket: the same bytes and metadata, another version id."""
    _, key = at.file()
    (old,) = at.versions(key)
    source = {"Bucket": at.bucket, "Key": key, "VersionId": old}
    at.s3.copy_object(Bucket=at.bucket, Key=key, CopySource=source, MetadataDirective="COPY")
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=old)
    return {("version_mismatch", key)}


def metadata_of_another_attempt(at: Planted) -> set[tuple[str, str]]:
    body = uuid.uuid4().bytes
    _, key = at.file(body)
    (old,) = at.versions(key)
    new = at.put(key, body, strongroom_attempt=str(uuid.uuid4()))
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=old)
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = %s WHERE key = %s", new, key)
    return {("metadata_mismatch", key)}


def metadata_of_an_object_emptied(at: Planted) -> set[tuple[str, str]]:
    body = uuid.uuid4().bytes
    _, key = at.file(body)
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=at.versions(key)[0])
    reply = at.s3.put_object(Bucket=at.bucket, Key=key, Body=body, ContentType="application/octet-stream")
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = %s WHERE key = %s", reply["VersionId"], key)
    return {("metadata_mismatch", key)}


def media_type_of_an_object_changed(at: Planted) -> set[tuple[str, str]]:
    body = uuid.uuid4().bytes
    _, key = at.file(body)
    (old,) = at.versions(key)
    metadata = at.s3.head_object(Bucket=at.bucket, Key=key, VersionId=old)["Metadata"]
    reply = at.s3.put_object(Bucket=at.bucket, Key=key, Body=body, Metadata=metadata, ContentType="text/html")
    at.s3.delete_object(Bucket=at.bucket, Key=key, VersionId=old)
    for table in ("files", "blobs"):
        at.sql(f"UPDATE {table} SET version_id = %s WHERE key = %s", reply["VersionId"], key)
    return {("metadata_mismatch", key)}


def metadata_of_a_row_emptied(at: Planted) -> set[tuple[str, str]]:
    _, key = at.file()
    at.sql("UPDATE blobs SET object_metadata = '{}' WHERE key = %s", key)
    return {("metadata_mismatch", key)}


def metadata_of_a_row_changed(at: Planted) -> set[tuple[str, str]]:
    _, key = at.file()
    at.sql("""UPDATE blobs SET object_metadata = object_metadata || '{"user_id": "x"}' WHERE key = %s""", key)
    return {("metadata_mismatch", key)}


def media_type_changed_in_blobs(at: Planted) -> set[tuple[str, str]]:
    _, key = at.file()
    at.sql("UPDATE blobs SET content_type = 'text/html' WHERE key = %s", key)
    return {("metadata_mismatch", key), ("file_differs", key)}


def media_type_changed_in_files(at: Planted) -> set[tuple[str, str]]:
    _, key = at.file()
    at.sql("UPDATE files SET content_type = 'text/html' WHERE key = %s", key)
    return {("file_differs", key)}


def media_type_changed_in_a_project(at: Planted) -> set[tuple[str, str]]:
    mine = at.belongings()
    key = f"projects/{mine.name}/{mine.project}/index.html"
    at.sql("UPDATE project_files SET content_type = 'a/b' WHERE owner_id = %s", mine.name)
    return {("file_differs", key)}
