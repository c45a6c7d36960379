"""Hides a deleted object whose bytes stay for the restore window, from readers that name no version: a CDN,
and whoever copies the bucket's current objects.

Readers of ours name the version, and ask metadata_service first. So what is current in the bucket is what is
alive, and after a restore of the database the marker says that the object was deleted later.
"""

from __future__ import annotations

from storage_service.attempts.removal import versions_at
from storage_service.attempts.versioning import NULL_VERSION, shares_key
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectRef
from strongroom.metadata.v1 import blob_pb2


async def hide_blob(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    """A delete marker on top of the attempt's object, if that is what its key shows. Raises StoreError.

    Never where the bucket keeps no versions: there a DELETE takes the bytes. At a key that others write, too,
    another object may come to lie below the marker between the look and the DELETE: then it is taken away.
    """
    if blob.version_id in {"", NULL_VERSION}:
        return
    before = await versions_at(store, blob.key)
    top = before[0] if before else None
    if top is not None and top.is_delete_marker and shares_key(blob):
        await _show_again(store, before, blob)  # a pass that died has made it
        return
    if top is None or top.is_delete_marker or not _is_own(top, blob):
        return
    await store.delete(ObjectRef(blob.key))
    if shares_key(blob):
        await _show_again(store, await versions_at(store, blob.key), blob)


def _is_own(version: ListedVersion, blob: blob_pb2.Blob) -> bool:
    return version.version_id == blob.version_id or not shares_key(blob)


async def _show_again(store: ObjectStore, versions: list[ListedVersion], blob: blob_pb2.Blob) -> None:
    """Take markers away that lie on another object than this attempt's."""
    markers: list[ListedVersion] = []
    for version in versions:
        if not version.is_delete_marker:
            if _is_own(version, blob):
                return
            break
        markers.append(version)
    for marker in markers:
        await store.delete(marker.ref)
