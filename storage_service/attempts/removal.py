"""Removes everything of a blob from S3, its multipart uploads and its object, whatever state they are in.

Also hides a deleted object whose bytes are kept for the restore window.

Every step looks before it acts, so all can be repeated and can run beside a late request; a tombstone (GONE)
is checked once more after its grace. The code works with stores that answer differently (Swift lists parts of
a completed upload; Ceph says NoSuchKey).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TypeAlias

from servicekit import failpoints
from storage_service.attempts.completion import ATTEMPT_KEY, verify_put
from storage_service.attempts.segments import PREFIX as SEGMENTS
from storage_service.attempts.segments import remove_segments
from storage_service.attempts.versioning import NULL_VERSION, demand_version, shares_key
from storage_service.objectstore.errors import ObjectNotFound, StoreUnavailable, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectRef, PutResult
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest

BEFORE_DELETE = failpoints.register("storage.cleaner.before_delete")
AFTER_DELETE = failpoints.register("storage.cleaner.after_delete")
BEFORE_ABORT = failpoints.register("storage.cleaner.before_abort")

ABORT_ROUNDS = 5
"""How often one visit aborts and looks again: a part in flight may be stored after an abort."""


Unrecorded: TypeAlias = Callable[[str, list[str]], Awaitable[set[str]]]
"""Takes versions of a key (at most MOST_VERSIONS); returns those that no row in metadata_service has."""
MOST_VERSIONS = 10_000
FEW_VERSIONS = 8
"""Up to so many versions are asked for their writer one by one; else recorded ones are filtered out first."""


async def remove_blob(store: ObjectStore, blob: blob_pb2.Blob, unrecorded: Unrecorded | None = None) -> None:
    """Abort every multipart upload of the attempt, delete its object, and check that both are gone.

    A blob whose key is a prefix of segments stands for all of them. A blob of kind LEFTOVERS stands for what
    another attempt has left beside the version that is kept. Raises StoreError and what ``unrecorded``
    raises.
    """
    if blob.kind == blob_pb2.BLOB_KIND_LEFTOVERS:
        await _remove_leftovers(store, blob, unrecorded)
        return
    if blob.key.startswith(SEGMENTS):
        await failpoints.hit(BEFORE_DELETE)
        await remove_segments(store, blob.key)
        await failpoints.hit(AFTER_DELETE)
        return
    await remove_attempts(store, [blob], unrecorded)


def is_removed_with_others(blob: blob_pb2.Blob) -> bool:
    """Whether one ``remove_attempts`` may remove this blob together with others at its key."""
    return shares_key(blob) and blob.kind != blob_pb2.BLOB_KIND_LEFTOVERS


async def remove_attempts(
    store: ObjectStore, blobs: Sequence[blob_pb2.Blob], unrecorded: Unrecorded | None = None
) -> None:
    """Like ``remove_blob``, for several attempts at one key, whose versions (up to a hundred thousand) are
    listed once.
    """
    for blob in blobs:
        if blob.kind != blob_pb2.BLOB_KIND_COPY or blob.upload_id:
            await _abort_uploads(store, blob)
    await _delete_objects(store, blobs, unrecorded)


async def abort_unrecorded_uploads(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    """Abort open uploads of this key that the row has not recorded; a repeated create makes them.

    Called before T4, so that after a crash the abort or the roll-forward removes them. At a shared key
    nothing is aborted, because uploads don't say which attempt they belong to.

    The recorded upload is never aborted, even if its object exists: Swift would delete the parts of a
    completed one.
    """
    if shares_key(blob):
        return
    for upload in await store.list_uploads(blob.key):
        if upload.key == blob.key and upload.upload_id != blob.upload_id:
            await _abort(store, upload.key, upload.upload_id)


async def _remove_leftovers(store: ObjectStore, blob: blob_pb2.Blob, unrecorded: Unrecorded | None) -> None:
    """Remove uploads and versions of the attempt that no row refers to. What may belong to others is kept.

    Versions made by a multipart upload are kept: S3 makes only one, and where Swift makes another for a late
    Complete, both share their parts, so that removing one would damage the other. They are removed together.
    """
    await abort_unrecorded_uploads(store, blob)
    if blob.upload_id:
        return
    kept = {blob.version_id, NULL_VERSION}
    versions = [one for one in await versions_at(store, blob.key) if one.version_id not in kept]
    for version in await _left_out(versions, unrecorded if shares_key(blob) else None):
        if await is_attempts(store, version.ref, blob.object_metadata[ATTEMPT_KEY]):
            await store.delete(version.ref)


async def verify_sole_version(
    store: ObjectStore, blob: blob_pb2.Blob, put: PutResult, size: int, crc32c: int
) -> CommitRequest:
    """Remove versions that earlier tries of a PUT or copy have left, and return the request for T4.

    Some stores (Ceph 16) don't name the version that a copy has made; it is found by its metadata.

    Raises BucketNotVersioned, ChecksumMismatch, StoreError.
    """
    if shares_key(blob) and not put.version_id:
        put = replace(put, version_id=await _own_version(store, blob))
    demand_version(blob, put.version_id)
    if put.repeated:
        await _remove_repeated_versions(store, blob, put)
    return await verify_put(store, blob, put, size, crc32c)


async def _own_version(store: ObjectStore, blob: blob_pb2.Blob) -> str | None:
    """Return the newest version written by this attempt, or None. Raises StoreError.

    It is usually the current one, unless others have written to the key since.
    """
    with suppress(ObjectNotFound):
        info = await store.head(ObjectRef(blob.key))
        if info.metadata.get(ATTEMPT_KEY) == blob.id:
            return info.version_id
    for version in await versions_at(store, blob.key):
        if not version.is_delete_marker and await is_attempts(store, version.ref, blob.id):
            return version.version_id
    return None


async def _remove_repeated_versions(store: ObjectStore, blob: blob_pb2.Blob, put: PutResult) -> None:
    """Delete the versions that earlier tries of this attempt's PUT or copy left beside the one to be
    committed.

    Done before T4, so that after a crash the abort removes them. If-None-Match can't prevent them: Swift
    writes a version before it refuses. Raises StoreError.
    """
    keep = put.version_id or (await store.head(ObjectRef(blob.key))).version_id or NULL_VERSION
    for ref in await _objects_of(store, [blob], await versions_at(store, blob.key), None):
        if ref.version_id != keep:
            await store.delete(ref)


async def _abort_uploads(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    await failpoints.hit(BEFORE_ABORT)
    if blob.upload_id:
        await _abort(store, blob.key, blob.upload_id)
    if shares_key(blob):
        return  # other uploads may belong to live attempts at this key; UploadSweep finds unrecorded ones
    for _ in range(ABORT_ROUNDS):
        open_uploads = [u for u in await store.list_uploads(blob.key) if u.key == blob.key]
        if not open_uploads:
            return
        for upload in open_uploads:
            await _abort(store, upload.key, upload.upload_id)
    raise StoreUnavailable("multipart uploads of one key keep appearing", operation="AbortMultipartUpload")


async def _abort(store: ObjectStore, key: str, upload_id: str) -> None:
    try:
        await store.abort(key, upload_id)
    except UploadNotFound:
        return


async def _delete_objects(
    store: ObjectStore, blobs: Sequence[blob_pb2.Blob], unrecorded: Unrecorded | None
) -> None:
    """Delete the objects of attempts at one key, and check that they are gone.

    Where there are none, as a rule when a tombstone ends, one look is enough.
    """
    await failpoints.hit(BEFORE_DELETE)
    key = blobs[0].key
    versions = await versions_at(store, key)
    own = await _objects_of(store, blobs, versions, unrecorded)
    for ref in own:
        await store.delete(ref)
    await failpoints.hit(AFTER_DELETE)
    if own:
        versions = await versions_at(store, key)
        if await _objects_of(store, blobs, versions, unrecorded):
            raise StoreUnavailable("a deleted object is still there", operation="DeleteObject")
    if shares_key(blobs[0]):
        await _remove_last_markers(store, versions)


async def _remove_last_markers(store: ObjectStore, versions: Sequence[ListedVersion]) -> None:
    """Delete delete markers that hide nothing any more.

    If an object has been written meanwhile, losing the markers below it does no harm.
    """
    if all(version.is_delete_marker for version in versions):
        for version in versions:
            await store.delete(version.ref)


async def _objects_of(
    store: ObjectStore,
    blobs: Sequence[blob_pb2.Blob],
    versions: Sequence[ListedVersion],
    unrecorded: Unrecorded | None,
) -> list[ObjectRef]:
    """Return those of a key's versions that these attempts wrote.

    At an exclusive key those are all versions: a late PUT may have made another one.

    At a shared key (project files, paths) it is the committed version, and others whose metadata names the
    attempt: a PutObject that was delivered twice, before or after T4, has made one.
    """
    if not shares_key(blobs[0]):
        return [version.ref for version in versions]
    committed = {blob.version_id for blob in blobs} - {"", NULL_VERSION}
    own = [one.ref for one in versions if one.version_id in committed and not one.is_delete_marker]
    others = [one for one in versions if one.version_id not in committed and _may_be_of(one, blobs)]
    for version in await _left_out(others, unrecorded):
        writer = await _writer(store, version.ref)
        if any(blob.id == writer and _may_be_of(version, [blob]) for blob in blobs):
            own.append(version.ref)
    return own


async def _left_out(versions: list[ListedVersion], unrecorded: Unrecorded | None) -> list[ListedVersion]:
    """Return the versions that no row has recorded. Recorded ones belong to others, so their writer needn't
    be asked for.
    """
    if unrecorded is None or len(versions) <= FEW_VERSIONS:
        return versions
    left: list[ListedVersion] = []
    for at in range(0, len(versions), MOST_VERSIONS):
        some = versions[at : at + MOST_VERSIONS]
        without = await unrecorded(some[0].key, [version.version_id for version in some])
        left += [version for version in some if version.version_id in without]
    return left


def _may_be_of(version: ListedVersion, blobs: Sequence[blob_pb2.Blob]) -> bool:
    """Whether a version at a shared key, other than the committed one, may belong to one of these attempts.

    "null" belongs only to a file that was committed as such (before buckets without versioning were refused):
    an attempt that was given up must not remove a version that others write, too. A repeated request carries
    the same bytes, so a version of another size than the committed one is not its.
    """
    if version.is_delete_marker:
        return False
    if version.version_id == NULL_VERSION:
        return any(blob.state == blob_pb2.BLOB_STATE_DELETING and not blob.version_id for blob in blobs)
    return any(not blob.version_id or blob.upload_id or version.size == blob.size_bytes for blob in blobs)


async def versions_at(store: ObjectStore, key: str) -> list[ListedVersion]:
    """Return all versions and delete markers of exactly this key, newest first. Raises StoreError.

    The listing is by prefix, and the key itself comes first in it.
    """
    found: list[ListedVersion] = []
    async with aclosing(store.list_versions(key)) as pages:  # type: ignore[type-var]
        async for page in pages:
            found += [version for version in page if version.key == key]
            if page and page[-1].key != key:
                break
    return found


async def attempt_at(store: ObjectStore, ref: ObjectRef) -> str | None:
    """Return the id of the attempt that wrote this version, from its metadata; None if it names none.

    Raises ObjectNotFound (also for a delete marker), StoreError.
    """
    return (await store.head(ref)).metadata.get(ATTEMPT_KEY)


async def is_attempts(store: ObjectStore, ref: ObjectRef, attempt: str) -> bool:
    """Whether this attempt wrote this version; False if the version doesn't exist. Raises StoreError."""
    return await _writer(store, ref) == attempt


async def _writer(store: ObjectStore, ref: ObjectRef) -> str | None:
    try:
        return await attempt_at(store, ref)
    except ObjectNotFound:
        return None  # a delete marker, or deleted meanwhile


async def hide_blob(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    """Put a delete marker on the attempt's object if it is the current one at its key. Raises StoreError.

    That hides it from readers that name no version, such as a CDN or a copy of the bucket. Our own readers
    name the version and ask metadata_service first. So the bucket's current objects are the live ones, and
    after a restore of the database the marker says that the object was deleted later.

    Nothing is done in a bucket without versions, where a DELETE would remove the bytes. At a shared key
    another object may be written between the look and the DELETE; a marker on top of it is removed again.
    """
    if blob.version_id in {"", NULL_VERSION}:
        return
    before = await versions_at(store, blob.key)
    top = before[0] if before else None
    if top is not None and top.is_delete_marker and shares_key(blob):
        await _show_again(store, before, blob)  # left by an interrupted pass
        return
    if top is None or top.is_delete_marker or not _is_of(top, blob):
        return
    await store.delete(ObjectRef(blob.key))
    if shares_key(blob):
        await _show_again(store, await versions_at(store, blob.key), blob)


def _is_of(version: ListedVersion, blob: blob_pb2.Blob) -> bool:
    return version.version_id == blob.version_id or not shares_key(blob)


async def _show_again(store: ObjectStore, versions: list[ListedVersion], blob: blob_pb2.Blob) -> None:
    """Delete the newest markers if the object below them is not this attempt's."""
    markers: list[ListedVersion] = []
    for version in versions:
        if not version.is_delete_marker:
            if _is_of(version, blob):
                return
            break
        markers.append(version)
    for marker in markers:
        await store.delete(marker.ref)
