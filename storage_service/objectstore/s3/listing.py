"""Listings that are complete and in order, or raise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import unquote_plus

from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.s3.calls import S3Context, next_page
from storage_service.objectstore.s3.headers import needed_etag, utc
from storage_service.objectstore.values import ListedObject, ListedVersion


class S3Lister:
    """The part of ObjectStore that lists."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def list_objects(self, prefix: str) -> AsyncIterator[Sequence[ListedObject]]:
        """See ObjectStore.list_objects."""
        last_key = ""
        following: dict[str, Any] = {}
        while True:
            objects, page = await self._context.parsed(
                "ListObjectsV2",
                lambda s3, at=following: s3.list_objects_v2(  # type: ignore[misc]
                    Bucket=self._context.settings.bucket, Prefix=prefix, **at
                ),
                lambda reply: ([_object(found) for found in reply.get("Contents", [])], reply),
                needs="IsTruncated",
            )
            for found in objects:
                last_key = _ascending(last_key, found.key, prefix, strictly=True)
            following = next_page(page, following, {"NextContinuationToken": "ContinuationToken"})
            yield objects
            if not following:
                return

    async def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        """See ObjectStore.list_versions."""
        last_key = after
        following: dict[str, Any] = {"KeyMarker": after} if after else {}
        while True:
            versions, page = await self._context.parsed(
                "ListObjectVersions",
                lambda s3, at=following: s3.list_object_versions(  # type: ignore[misc]
                    Bucket=self._context.settings.bucket, Prefix=prefix, **at
                ),
                lambda reply: (_versions(reply), reply),
                needs="IsTruncated",
            )
            for found in versions:
                last_key = _ascending(last_key, found.key, prefix, strictly=False)
            following = next_page(
                page, following, {"NextKeyMarker": "KeyMarker", "NextVersionIdMarker": "VersionIdMarker"}
            )
            if following and versions:
                following["KeyMarker"] = _marker(following.get("KeyMarker", ""), versions[-1].key)
            yield [found for found in versions if found.key > after]  # Ceph 16 begins with ``after`` itself
            if not following:
                return


def _marker(told: str, last_key: str) -> str:
    """Return the key at which a listing continues.

    Ceph 16 escapes the keys of a page, as requested, but not the marker. botocore unescapes it all the same
    and makes "a b" of "a%20b" and "a+b", which would return the same page again.
    """
    return last_key if told == unquote_plus(last_key) else told


def _object(found: Any) -> ListedObject:
    return ListedObject(found["Key"], found["Size"], needed_etag(found), utc(found["LastModified"]))


def _versions(reply: Any) -> list[ListedVersion]:
    """Return versions and delete markers by key, newest first."""
    return sorted(
        [_version(found, marker=False) for found in reply.get("Versions", [])]
        + [_version(found, marker=True) for found in reply.get("DeleteMarkers", [])],
        key=lambda found: (found.key, not found.is_latest, -found.last_modified.timestamp()),
    )


def _version(found: Any, *, marker: bool) -> ListedVersion:
    return ListedVersion(
        key=found["Key"],
        version_id=found["VersionId"],
        is_latest=found["IsLatest"],
        is_delete_marker=marker,
        size=0 if marker else found["Size"],
        etag="" if marker else needed_etag(found),
        last_modified=utc(found["LastModified"]),
        storage_class="" if marker else found.get("StorageClass", ""),
    )


def _ascending(last: str, key: str, prefix: str, *, strictly: bool) -> str:
    """Check that ``key`` follows ``last``, and return it. A repeated page has keys out of order.

    Keys are in UTF-8 order, which is the order of Python's strings.
    """
    if not key.startswith(prefix) or key < last or (strictly and key == last):
        raise StoreUnavailable("The object store's listing is out of order or repeats itself.")
    return key
