"""The interface of an object store: one Protocol.

The adapter is ``s3`` (any S3-compatible store); its in-memory twin is in tests/doubles/memory_store.py, and
one contract suite (tests/contract/objectstore) tests both. An adapter is bound to one bucket, so no method
names one. All methods are coroutines on one event loop and raise only errors of ``errors``. Cancelling one
stops the wait, but the request may still be applied (rule R4: read the state). Value types are in ``values``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.values import (
    BucketDiagnosis,
    Chunk,
    CompleteResult,
    DeleteResult,
    Doubtful,
    ListedObject,
    ListedUpload,
    ListedVersion,
    ObjectAttributes,
    ObjectInfo,
    ObjectRef,
    PartReceipt,
    PostForm,
    PutResult,
    SignedRequest,
    VersioningStatus,
)


class ObjectStream(Protocol):
    """An open body, to be iterated once. Chunks have from one byte to about 1 MiB; the first comes as soon as
    bytes arrive.
    """

    @property
    def info(self) -> ObjectInfo:
        """Facts about the whole object, also for a range."""
        ...

    @property
    def offset(self) -> int:
        """Offset of the first byte."""
        ...

    @property
    def length(self) -> int:
        """Number of bytes that iteration yields. A body that ends early raises StoreUnavailable."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class ObjectStore(Protocol):
    """The store of a process.

    Capabilities that some stores lack (copying parts, signing) are optional: their methods raise
    NotSupportedByStore, and callers have an alternative or an answer.
    """

    # whole objects

    async def put(
        self,
        key: str,
        chunks: Sequence[Chunk],
        *,
        size: int,
        crc32c: int,
        attrs: ObjectAttributes,
        if_none_match: bool = False,
    ) -> PutResult:
        """Store ``chunks`` (``size`` bytes in all, at most MAX_PUT_SIZE; none make an empty object).

        ``if_none_match`` asks the store to refuse an existing key (PreconditionFailed). It is a success if a
        retry meets the object that a first try with a lost reply has stored. Raises ChecksumMismatch,
        EntityTooLarge, any StoreError.
        """
        ...

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        """Return the facts about an object. Raises ObjectNotFound (also for a delete marker)."""
        ...

    def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AbstractAsyncContextManager[ObjectStream]:
        """Open [offset, offset+length), or to the end. Leaving the context early drops the connection.

        ``length`` is cut at the end of the object. Entering raises ObjectNotFound, PreconditionFailed
        (``if_match`` is another ETag), RangeNotSatisfiable (offset at or past the end, except for offset 0 of
        an empty object), any StoreError.
        """
        ...

    async def copy(
        self, source: ObjectRef, key: str, attrs: ObjectAttributes, *, size: int, if_match: str | None = None
    ) -> PutResult:
        """Server-side copy with new attributes; above MAX_PUT_SIZE as a multipart copy.

        Raises ObjectNotFound.
        """
        ...

    async def delete(self, ref: ObjectRef) -> DeleteResult:
        """Delete an object; succeeds if there is none.

        Without a version id a versioned bucket adds a delete marker.
        """
        ...

    async def delete_many(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, StoreError]:
        """Delete any number of objects, in batches. Return the errors by object; empty if all were deleted.

        A failed batch call raises.
        """
        ...

    # multipart uploads

    async def create(self, key: str, attrs: ObjectAttributes, *, doubtful: Doubtful | None = None) -> str:
        """Begin a multipart upload and return its id.

        A retried create may leave a second open upload of this key, which it notes in ``doubtful``; see
        list_uploads.
        """
        ...

    async def upload_part(
        self, key: str, upload_id: str, number: int, chunks: Sequence[Chunk], *, size: int, crc32c: int
    ) -> PartReceipt:
        """Store part ``number`` (1 … MAX_PARTS), overwriting it.

        Raises UploadNotFound, ChecksumMismatch, any StoreError.
        """
        ...

    async def complete(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[PartReceipt],
        *,
        crc32c: int | None = None,
        if_none_match: bool = False,
        doubtful: Doubtful | None = None,
    ) -> CompleteResult:
        """Make the object from ``parts`` (ascending numbers). ``crc32c``: of the whole object.

        Notes in ``doubtful`` if an earlier try may have been applied, too. Raises InvalidPart, and
        UploadNotFound if the upload is gone or was completed before with a lost reply; HEAD on the key tells
        which. Any error with ``outcome_unknown`` may hide a success. Some stores answer a second Complete
        with success.
        """
        ...

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Raises UploadNotFound if it doesn't exist (any more).

        A part in flight may be stored after an abort: call list_parts, and abort again until UploadNotFound.
        """
        ...

    async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
        """Return all stored parts. Raises UploadNotFound.

        A store may still list an upload whose object exists (Swift does after Complete); once abort raises
        UploadNotFound it is no longer open.
        """
        ...

    async def list_uploads(self, prefix: str) -> Sequence[ListedUpload]:
        """Return all open uploads whose key begins with ``prefix``; raises rather than return a part
        of them.
        """
        ...

    # what there is

    def list_objects(self, prefix: str) -> AsyncIterator[Sequence[ListedObject]]:
        """Yield pages of current objects. Raises StoreUnavailable if pages are out of order or repeated."""
        ...

    def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        """Yield pages of all versions and delete markers, only of keys after ``after`` (in byte order)."""
        ...

    async def check(self) -> BucketDiagnosis:
        """Return a diagnosis of the bucket. Errors that a diagnosis can describe are not raised."""
        ...

    async def versioning_status(self) -> VersioningStatus:
        """Return whether the bucket has versioning. Raises StoreError."""
        ...

    # optional: archive classes

    async def request_restore(self, ref: ObjectRef, *, days: int, tier: str) -> None:
        """Request the restore of an archived object for ``days``. A repeat changes nothing.

        ``tier``: the speed, by S3's names (``Standard``, ``Bulk``, ``Expedited``).
        """
        ...

    # optional: parts out of objects inside the store

    async def copy_part(
        self,
        source: ObjectRef,
        key: str,
        upload_id: str,
        number: int,
        *,
        offset: int | None = None,
        length: int | None = None,
        if_match: str | None = None,
    ) -> PartReceipt:
        """UploadPartCopy of the whole source or of [offset, offset+length). The receipt's size is -1 if
        unknown.

        Raises ObjectNotFound (source), PreconditionFailed (``if_match``), UploadNotFound.
        """
        ...

    # optional: requests for clients, signed for the public endpoint when there is one; they last 1 s … 7 days

    async def presign_get(
        self,
        ref: ObjectRef,
        expires: timedelta,
        *,
        method: str = "GET",
        content_type: str | None = None,
        content_disposition: str | None = None,
        begins: datetime | None = None,
    ) -> SignedRequest:
        """Sign a GET or HEAD with response header overrides, which callers have to check.

        ``begins``: the past time from which ``expires`` counts; None: now.
        """
        ...

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """Sign a PUT of one part, bound to its length and, if given, its checksum."""
        ...

    async def presign_put(
        self, key: str, attrs: ObjectAttributes, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """Sign a PUT of a whole object, bound to length, type, metadata and, if given, its checksum."""
        ...

    async def post_form(
        self, key: str, attrs: ObjectAttributes, *, min_size: int, max_size: int, expires: timedelta
    ) -> PostForm:
        """Return a browser form upload bound to key, type, metadata and a content-length-range."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads, after the running calls."""
        ...
