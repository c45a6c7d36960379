"""Makes sure that nothing of a blob is left in S3, its multipart uploads and its object, whatever happened to
it; and hides a deleted object whose bytes stay for the restore window.

Safe to repeat and to run beside a late request: every step looks first, and the tombstone (GONE) is looked
at once more after its grace. Works on stores whose answers differ (Swift lists parts of a completed upload;
Ceph says NoSuchKey).
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
"""A part in flight may land after an abort: so often abort and look are repeated in one visit."""


Unrecorded: TypeAlias = Callable[[str, list[str]], Awaitable[set[str]]]
"""Of versions of a key (at most MOST_VERSIONS), those that no row of metadata_service's has recorded."""
MOST_VERSIONS = 10_000
FEW_VERSIONS = 8
"""Of more than so many others, those that have rows are left out before each is asked whose it is."""


async def remove_blob(store: ObjectStore, blob: blob_pb2.Blob, unrecorded: Unrecorded | None = None) -> None:
    """Abort every multipart upload of the attempt, delete its object, and verify both. Raises StoreError and
    what ``unrecorded`` raises.

    A blob whose key is a prefix of segments stands for all of them; one of kind LEFTOVERS for what another
    attempt has left beside the version that is to be kept.
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
    """Whether others at its key may go in the same ``remove_attempts``."""
    return shares_key(blob) and blob.kind != blob_pb2.BLOB_KIND_LEFTOVERS


async def remove_attempts(
    store: ObjectStore, blobs: Sequence[blob_pb2.Blob], unrecorded: Unrecorded | None = None
) -> None:
    """As ``remove_blob``, of several attempts at one key: its versions, of which there may be a hundred
    thousand, are listed once for all of them.
    """
    for blob in blobs:
        if blob.kind != blob_pb2.BLOB_KIND_COPY or blob.upload_id:
            await _abort_uploads(store, blob)
    await _delete_objects(store, blobs, unrecorded)


async def abort_unrecorded_uploads(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    """Abort open uploads of this key that are not the recorded one: a repeated create makes them. Before T4,
    so that a crash leaves them to the abort or the roll-forward. Where attempts share a key nobody can
    tell whose they are.

    Never the recorded one, even when its object is there: Swift deletes the parts of a completed upload, too.
    """
    if shares_key(blob):
        return
    for upload in await store.list_uploads(blob.key):
        if upload.key == blob.key and upload.upload_id != blob.upload_id:
            await _abort(store, upload.key, upload.upload_id)


async def _remove_leftovers(store: ObjectStore, blob: blob_pb2.Blob, unrecorded: Unrecorded | None) -> None:
    """Open uploads and versions of the attempt that nobody refers to; what is not surely its own stays.

    Not versions of a multipart upload: S3 makes one only; where Swift makes another of a Complete that came
    late, both have the same parts, and removing either would take them from the other. They go together.
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
    """What T4 needs of a PUT or copy, once no other try of it has left a version. Raises BucketNotVersioned,
    ChecksumMismatch, StoreError.

    Some stores (Ceph 16) answer a copy without the version that it has made: the object says whose it is.
    """
    if shares_key(blob) and not put.version_id:
        put = replace(put, version_id=await _own_version(store, blob))
    demand_version(blob, put.version_id)
    if put.repeated:
        await _remove_repeated_versions(store, blob, put)
    return await verify_put(store, blob, put, size, crc32c)


async def _own_version(store: ObjectStore, blob: blob_pb2.Blob) -> str | None:
    """The newest version that this attempt has made: most often the current one; others may have written
    there since. None: there is none. Raises StoreError.
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
    """Delete what earlier tries of this attempt's PUT or copy have left beside the version that is to be
    committed.

    Before T4, so that a crash leaves it to the abort. If-None-Match would not do: Swift writes a version
    before it refuses. Raises StoreError.
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
        return  # the others may be live attempts of the place; UploadSweep finds what nobody has recorded
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
    """Of attempts at one key."""
    await failpoints.hit(BEFORE_DELETE)
    key = blobs[0].key
    before = await versions_at(store, key)
    for ref in await _objects_of(store, blobs, before, unrecorded):
        await store.delete(ref)
    await failpoints.hit(AFTER_DELETE)
    after = await versions_at(store, key)
    if await _objects_of(store, blobs, after, unrecorded):
        raise StoreUnavailable("a deleted object is still there", operation="DeleteObject")
    if shares_key(blobs[0]):
        await _remove_last_markers(store, after)


async def _remove_last_markers(store: ObjectStore, versions: Sequence[ListedVersion]) -> None:
    """Delete markers that hide nothing any more. Those that come to lie on a later object are
    no loss, either.
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
    """Of the versions at their key those that these attempts wrote. Keys are unique to an attempt except for
    replaceable places.

    There (project files, paths) the attempt id in the object's metadata tells whose a version is, beside the
    one that was committed: a PutObject that was delivered twice, before T4 or after it, has made another.
    Elsewhere every version goes: a PUT that arrives late may have made another one.
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
    """Without those that a row has recorded: they are somebody else's, and nobody has to ask for each."""
    if unrecorded is None or len(versions) <= FEW_VERSIONS:
        return versions
    left: list[ListedVersion] = []
    for at in range(0, len(versions), MOST_VERSIONS):
        some = versions[at : at + MOST_VERSIONS]
        without = await unrecorded(some[0].key, [version.version_id for version in some])
        left += [version for version in some if version.version_id in without]
    return left


def _may_be_of(version: ListedVersion, blobs: Sequence[blob_pb2.Blob]) -> bool:
    """At a shared key, beside what was committed. The version "null" is removed only with a file that was
    committed as such (before buckets without versioning were refused): an attempt that was given up may not
    take what stands under a name that others write, too. A repeated request carries the same bytes, and who
    has others of a committed one need not be asked.
    """
    if version.is_delete_marker:
        return False
    if version.version_id == NULL_VERSION:
        return any(blob.state == blob_pb2.BLOB_STATE_DELETING and not blob.version_id for blob in blobs)
    return any(not blob.version_id or blob.upload_id or version.size == blob.size_bytes for blob in blobs)


async def versions_at(store: ObjectStore, key: str) -> list[ListedVersion]:
    """All versions and delete markers of exactly this key, newest first. It comes first among those it is a
    prefix of. Raises StoreError.
    """
    found: list[ListedVersion] = []
    async with aclosing(store.list_versions(key)) as pages:  # type: ignore[type-var]
        async for page in pages:
            found += [version for version in page if version.key == key]
            if page and page[-1].key != key:
                break
    return found


async def attempt_at(store: ObjectStore, ref: ObjectRef) -> str | None:
    """Whose attempt wrote this version, as its own metadata says; None: it does not. Raises ObjectNotFound
    (also for a delete marker), StoreError.
    """
    return (await store.head(ref)).metadata.get(ATTEMPT_KEY)


async def is_attempts(store: ObjectStore, ref: ObjectRef, attempt: str) -> bool:
    """Whether that attempt wrote this version; what is not there was written by nobody. Raises StoreError."""
    return await _writer(store, ref) == attempt


async def _writer(store: ObjectStore, ref: ObjectRef) -> str | None:
    try:
        return await attempt_at(store, ref)
    except ObjectNotFound:
        return None  # a delete marker, or gone meanwhile


async def hide_blob(store: ObjectStore, blob: blob_pb2.Blob) -> None:
    """A delete marker on top of the attempt's object, if that is what its key shows: hidden from readers that
    name no version, a CDN and whoever copies the bucket's current objects. Raises StoreError.

    Readers of ours name the version, and ask metadata_service first. So what is current in the bucket is what
    is alive, and after a restore of the database the marker says that the object was deleted later.

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
    if top is None or top.is_delete_marker or not _is_of(top, blob):
        return
    await store.delete(ObjectRef(blob.key))
    if shares_key(blob):
        await _show_again(store, await versions_at(store, blob.key), blob)


def _is_of(version: ListedVersion, blob: blob_pb2.Blob) -> bool:
    return version.version_id == blob.version_id or not shares_key(blob)


async def _show_again(store: ObjectStore, versions: list[ListedVersion], blob: blob_pb2.Blob) -> None:
    """Take markers away that lie on another object than this attempt's."""
    markers: list[ListedVersion] = []
    for version in versions:
        if not version.is_delete_marker:
            if _is_of(version, blob):
                return
            break
        markers.append(version)
    for marker in markers:
        await store.delete(marker.ref)
