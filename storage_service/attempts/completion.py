"""The steps from "all bytes are in S3" to "committed": S3, S4 and T4.

Used by uploads and by the cleaner when it rolls forward. Rule R4: when the outcome of a call is unknown, the
state is read; nothing is undone on suspicion.
"""

from __future__ import annotations

from collections.abc import Sequence

from servicekit import failpoints
from storage_service.attempts.versioning import demand_version
from storage_service.metadata.reservations import handle_of
from storage_service.objectstore.errors import (
    RETRY_SECONDS,
    InvalidPart,
    ObjectNotFound,
    StoreError,
    UploadNotFound,
)
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import (
    CompleteResult,
    Doubtful,
    ObjectInfo,
    ObjectRef,
    PartReceipt,
    PutResult,
)
from strongroom.errors import ChecksumMismatch, ObjectStoreUnavailable, UploadLost
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest

BEFORE_COMPLETE = failpoints.register("storage.s3.before_complete")
AFTER_COMPLETE = failpoints.register("storage.s3.after_complete")
AFTER_HEAD = failpoints.register("storage.s4.after_head")

ATTEMPT_KEY = "strongroom-attempt"
"""Key in an object's metadata for the id of the attempt that wrote it: each object names its row (R0)."""


async def complete_multipart(
    store: ObjectStore, blob: blob_pb2.Blob, parts: Sequence[blob_pb2.Part], size: int, crc32c: int
) -> CommitRequest:
    """Complete the multipart upload (S3) and verify its object (S4). Return the request for T4.

    Some stores (Swift) create one more version for each Complete that arrives before the first has ended. If
    a repeated request may still be on its way, the returned request is marked ``doubtful``.

    Raises UploadLost if neither the upload nor its object exists any more; ObjectStoreUnavailable if the
    outcome stays unknown or the store has failed (the parts are kept, so the call can be repeated);
    ChecksumMismatch if the object differs from what was sent; StoreError.
    """
    receipts = [PartReceipt(p.number, p.etag, p.size_bytes, p.crc32c) for p in parts]
    await failpoints.hit(BEFORE_COMPLETE)
    completed: CompleteResult | None = None
    gone = False
    repeated = Doubtful()
    try:
        completed = await store.complete(blob.key, blob.upload_id, receipts, crc32c=crc32c, doubtful=repeated)
    except UploadNotFound:
        gone = True  # completed before and the reply was lost, or aborted from outside: the HEAD below tells
    except InvalidPart as error:
        raise UploadLost("the object store no longer has all parts of this upload; start it again") from error
    except StoreError as error:
        if not error.outcome_unknown:
            raise
    await failpoints.hit(AFTER_COMPLETE)
    info = await _head(store, blob, completed, gone=gone)
    await failpoints.hit(AFTER_HEAD)
    _verify(blob, info, size, crc32c)
    version_id = (completed.version_id if completed else None) or info.version_id
    demand_version(blob, version_id)
    return CommitRequest(
        blob=handle_of(blob),
        size_bytes=size,
        crc32c=crc32c,
        etag=info.etag,
        version_id=version_id or "",
        doubtful=completed is None or repeated.is_so,
    )


async def verify_put(
    store: ObjectStore, blob: blob_pb2.Blob, put: PutResult, size: int, crc32c: int
) -> CommitRequest:
    """Return the request for T4 after a PutObject or a copy.

    HEAD is requested only if the reply doesn't prove the content by itself. Raises BucketNotVersioned,
    ChecksumMismatch, StoreError.
    """
    etag, version_id = put.etag, put.version_id
    demand_version(blob, version_id)
    if not put.crc32c_verified or not etag:
        info = await store.head(ObjectRef(blob.key, version_id))
        _verify(blob, info, size, crc32c)
        etag, version_id = info.etag, version_id or info.version_id
    return CommitRequest(
        blob=handle_of(blob),
        size_bytes=size,
        crc32c=crc32c,
        etag=etag,
        version_id=version_id or "",
        doubtful=put.repeated,
    )


async def _head(
    store: ObjectStore, blob: blob_pb2.Blob, completed: CompleteResult | None, *, gone: bool
) -> ObjectInfo:
    try:
        return await store.head(ObjectRef(blob.key, completed.version_id if completed else None))
    except ObjectNotFound as error:
        if completed is not None:
            raise ObjectStoreUnavailable(
                "the object store does not show the object it has just made"
            ) from error
        if not gone:
            raise ObjectStoreUnavailable(
                "the object store failed to complete the upload; try again in a moment",
                retry_after=RETRY_SECONDS,
            ) from error
        raise UploadLost("the object store no longer has this upload; start it again") from error


def _verify(blob: blob_pb2.Blob, info: ObjectInfo, size: int, crc32c: int) -> None:
    """Compare the object with the upload: its attempt, its size and, if the store returns one, its CRC-32C.

    Raises ChecksumMismatch.
    """
    attempt = info.metadata.get(ATTEMPT_KEY)
    if info.size != size or (attempt is not None and attempt != blob.id):
        raise ChecksumMismatch(
            f"the object store holds {info.size} bytes where {size} were sent",
            metadata={"algorithm": "size", "expected": str(size), "actual": str(info.size)},
        )
    if info.crc32c is not None and info.crc32c != crc32c:
        raise ChecksumMismatch(
            "the object store holds other bytes than were sent",
            metadata={"algorithm": "crc32c", "expected": f"{crc32c:08x}", "actual": f"{info.crc32c:08x}"},
        )
