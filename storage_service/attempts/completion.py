"""From "all bytes are in S3" to "committed": S3, S4 and T4. The upload path and the cleaner's roll-forward
share it.

Rule R4: when the outcome of a call is unknown, the state is read; nothing is compensated on doubt.
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
"""Object metadata key that names the attempt, so that an object always tells which row it belongs to (R0)."""


async def complete_multipart(
    store: ObjectStore, blob: blob_pb2.Blob, parts: Sequence[blob_pb2.Part], size: int, crc32c: int
) -> CommitRequest:
    """S3 and S4: make the object and verify it. Returns what T4 needs.

    Raises UploadLost when neither upload nor object exist any more, ObjectStoreUnavailable when the outcome
    stays unknown or the store has failed (the parts are still there, it may be tried again),
    ChecksumMismatch when the object is not what was sent.

    Some stores (Swift) make a version of its own of each Complete that arrives before the first has ended:
    where one may still be on its way, the commit says so.
    """
    receipts = [PartReceipt(p.number, p.etag, p.size_bytes, p.crc32c) for p in parts]
    await failpoints.hit(BEFORE_COMPLETE)
    completed: CompleteResult | None = None
    gone = False
    repeated = Doubtful()
    try:
        completed = await store.complete(blob.key, blob.upload_id, receipts, crc32c=crc32c, doubtful=repeated)
    except UploadNotFound:
        gone = True  # completed before with the reply lost, or aborted from outside: HEAD decides
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
    """The short way: HEAD only when the reply of PutObject does not prove the content by itself."""
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
    """The object in S3 is this attempt's, as long as it should be, and as far as the store tells, the same
    bytes.
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
