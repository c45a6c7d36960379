"""The object store as this service sees it: one Protocol.

The adapter is ``s3`` (any S3-compatible store); its in-memory twin stands in tests/doubles/memory_store.py,
and one contract suite (tests/contract/objectstore) holds for both. An adapter is bound to one bucket, so
nothing here names one. All methods are coroutines on one event loop and raise only errors of ``errors``.
Cancelling one stops waiting, but the request may still be applied (rule R4: read the state). Value types
stand in ``values``.
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
    """An open body. Iterate once; chunks are 1 … about 1 MiB, the first comes as soon as bytes arrive."""

    @property
    def info(self) -> ObjectInfo:
        """Of the whole object, whatever the range."""
        ...

    @property
    def offset(self) -> int:
        """Of the first byte."""
        ...

    @property
    def length(self) -> int:
        """Bytes that iteration yields; a body that breaks off raises StoreUnavailable, never ends early."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class ObjectStore(Protocol):
    """The store of a process. What not every store can do (copying parts, signing) is an optional capability:
    its methods raise NotSupportedByStore, for which callers have another way or an answer.
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

        ``if_none_match`` asks the store to refuse an existing key (PreconditionFailed). When a retry meets
        the object that its own lost first try stored, that is success. Raises ChecksumMismatch,
        EntityTooLarge, any StoreError.
        """
        ...

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        """Raises ObjectNotFound (also for a delete marker)."""
        ...

    def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AbstractAsyncContextManager[ObjectStream]:
        """Open [offset, offset+length), or to the end; leaving the context early drops the connection.

        Entering raises ObjectNotFound, PreconditionFailed (``if_match`` is another ETag), RangeNotSatisfiable
        (offset at or past the end, but for offset 0 of an empty object), any StoreError. ``length`` is cut at
        the end of the object.
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
        """Idempotent: deleting what is not there succeeds.

        Without version id a versioned bucket adds a delete marker.
        """
        ...

    async def delete_many(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, StoreError]:
        """Delete any number, in batches; returns the errors per object (empty: all gone).

        A failed batch call raises.
        """
        ...

    # multipart uploads

    async def create(self, key: str, attrs: ObjectAttributes, *, doubtful: Doubtful | None = None) -> str:
        """Begin; returns the upload id. A retried create may leave a second open upload of this key, and says
        so in ``doubtful``; see list_uploads.
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
        """Make the object out of ``parts`` (ascending numbers). ``crc32c`` is of the whole object.
        ``doubtful`` is told when an earlier try may have been applied, too.

        Raises UploadNotFound: gone, or completed before and the reply lost: HEAD on the key decides. Raises
        InvalidPart. Any error with ``outcome_unknown`` may hide a success. Some stores answer a second
        Complete with success.
        """
        ...

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Raises UploadNotFound when it is not there (any more).

        A part in flight may land after an abort: list_parts, and abort again until UploadNotFound.
        """
        ...

    async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
        """All stored parts. Raises UploadNotFound.

        A store may still answer for an upload whose object exists (Swift does after Complete); once abort
        raises UploadNotFound nothing is open.
        """
        ...

    async def list_uploads(self, prefix: str) -> Sequence[ListedUpload]:
        """Open uploads whose key begins with ``prefix``, all pages, or an error: never a partial list."""
        ...

    # what there is

    def list_objects(self, prefix: str) -> AsyncIterator[Sequence[ListedObject]]:
        """Pages of current objects. Pages out of order or repeated raise StoreUnavailable."""
        ...

    def list_versions(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ListedVersion]]:
        """Pages of all versions and delete markers; only of keys after ``after`` (in byte order)."""
        ...

    async def check(self) -> BucketDiagnosis:
        """Never raises for what the diagnosis can say."""
        ...

    async def versioning_status(self) -> VersioningStatus:
        """Raises StoreError."""
        ...

    # optional: archive classes

    async def request_restore(self, ref: ObjectRef, *, days: int, tier: str) -> None:
        """Have an archived object brought back for ``days``; repeating it changes nothing. ``tier``: how
        soon, by S3's names (``Standard``, ``Bulk``, ``Expedited``).
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
        """UploadPartCopy of the whole source or of [offset, offset+length); receipt size -1 when unknown.

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
        """GET or HEAD with response header overrides, which callers must vet. ``begins``: when its life of
        ``expires`` begins, in the past; else now.
        """
        ...

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """PUT of one part, bound to its length and, when given, its checksum."""
        ...

    async def presign_put(
        self, key: str, attrs: ObjectAttributes, *, size: int, crc32c: int | None, expires: timedelta
    ) -> SignedRequest:
        """PUT of a whole object, bound to length, type, metadata and, when given, its checksum."""
        ...

    async def post_form(
        self, key: str, attrs: ObjectAttributes, *, min_size: int, max_size: int, expires: timedelta
    ) -> PostForm:
        """Browser form upload bound to key, type, metadata and a content-length-range."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads; running calls finish first."""
        ...
