"""The state behind ``memory_store``: versions, delete markers and open uploads of one bucket."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storage_service.objectstore.errors import ObjectNotFound, UploadNotFound
from storage_service.objectstore.values import DeleteResult, ListedVersion, ObjectAttributes, ObjectRef

NULL_VERSION = "null"


def now() -> datetime:
    """In whole seconds, like S3's times."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Version:
    """A stored object, or a delete marker."""

    version_id: str
    body: bytes
    etag: str
    attrs: ObjectAttributes
    stored_at: datetime
    is_marker: bool = False

    @property
    def shown_id(self) -> str | None:
        """The version id for an answer; None in an unversioned bucket, whose answers have none."""
        return None if self.version_id == NULL_VERSION else self.version_id


@dataclass(slots=True)
class OpenUpload:
    """A multipart upload: its parts by number."""

    attrs: ObjectAttributes
    initiated: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


class Bucket:
    """Versions per key, newest last."""

    def __init__(self, *, versioned: bool) -> None:
        self.versioned = versioned
        self.uploads: dict[tuple[str, str], OpenUpload] = {}
        self._versions: dict[str, list[Version]] = {}
        self._serial = itertools.count(1)

    def store(self, key: str, body: bytes, etag: str, attrs: ObjectAttributes) -> Version:
        """Add a version; without versioning replace the current one."""
        version = Version(self._new_id(), body, etag, attrs, now())
        self._add(key, version)
        return version

    def current(self, key: str) -> Version | None:
        """The newest version, unless it is a delete marker."""
        versions = self._versions.get(key)
        return versions[-1] if versions and not versions[-1].is_marker else None

    def find(self, ref: ObjectRef, operation: str) -> Version:
        """The version named by ``ref``. Raises ObjectNotFound, also for a delete marker."""
        if ref.version_id is None:
            version = self.current(ref.key)
        else:
            matching = (v for v in self._versions.get(ref.key, ()) if v.version_id == ref.version_id)
            version = next(matching, None)
        if version is None or version.is_marker:
            raise ObjectNotFound(operation=operation)
        return version

    def delete(self, ref: ObjectRef) -> DeleteResult:
        """Remove one version, or add a delete marker."""
        versions = self._versions.get(ref.key, [])
        if ref.version_id is not None:
            gone = next((v for v in versions if v.version_id == ref.version_id), None)
            self._keep(ref.key, [v for v in versions if v is not gone])
            return DeleteResult(ref.version_id, delete_marker=gone is not None and gone.is_marker)
        if not self.versioned:
            self._keep(ref.key, [])
            return DeleteResult(None, delete_marker=False)
        marker = Version(self._new_id(), b"", "", ObjectAttributes(), now(), is_marker=True)
        self._add(ref.key, marker)
        return DeleteResult(marker.version_id, delete_marker=True)

    def current_objects(self) -> Iterator[tuple[str, Version]]:
        """Keys in order, with their newest version."""
        for key in sorted(self._versions):
            version = self.current(key)
            if version is not None:
                yield key, version

    def listed_versions(self) -> Iterator[ListedVersion]:
        """All versions and markers: keys in order, newest first."""
        for key in sorted(self._versions):
            versions = self._versions[key]
            for version in reversed(versions):
                yield ListedVersion(
                    key=key,
                    version_id=version.version_id,
                    is_latest=version is versions[-1],
                    is_delete_marker=version.is_marker,
                    size=len(version.body),
                    etag=version.etag,
                    last_modified=version.stored_at,
                )

    def begin_upload(self, key: str, attrs: ObjectAttributes) -> str:
        """Open a multipart upload; returns its id."""
        upload_id = f"upload-{next(self._serial)}"
        self.uploads[key, upload_id] = OpenUpload(attrs, now())
        return upload_id

    def upload(self, key: str, upload_id: str, operation: str) -> OpenUpload:
        """Raises UploadNotFound."""
        try:
            return self.uploads[key, upload_id]
        except KeyError:
            raise UploadNotFound(operation=operation) from None

    def end_upload(self, key: str, upload_id: str, operation: str) -> None:
        """Remove an upload and its parts. Raises UploadNotFound."""
        self.upload(key, upload_id, operation)
        del self.uploads[key, upload_id]

    def _new_id(self) -> str:
        return f"{next(self._serial):08d}" if self.versioned else NULL_VERSION

    def _add(self, key: str, version: Version) -> None:
        kept = self._versions.get(key, []) if self.versioned else []
        self._versions[key] = [*kept, version]

    def _keep(self, key: str, versions: list[Version]) -> None:
        if versions:
            self._versions[key] = versions
        else:
            self._versions.pop(key, None)
