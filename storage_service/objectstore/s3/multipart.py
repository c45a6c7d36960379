"""Multipart uploads (UploadPart on the light path, the rest by botocore), and copies inside the store.

A copy is one CopyObject, or a multipart copy if that would take too long or isn't allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from servicekit import failpoints
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    EntityTooLarge,
    ObjectNotFound,
    StoreError,
    StoreUnavailable,
    UploadNotFound,
)
from storage_service.objectstore.s3.calls import next_page
from storage_service.objectstore.s3.client import LightRequest
from storage_service.objectstore.s3.headers import (
    bare_etag,
    needed_etag,
    object_parameters,
    special_option,
    utc,
)
from storage_service.objectstore.s3.objects import S3Writer, body_headers, echo_verifies, version_query
from storage_service.objectstore.values import (
    MAX_PART_SIZE,
    MAX_PARTS,
    MIB,
    Chunk,
    CompleteResult,
    Doubtful,
    ListedUpload,
    ObjectAttributes,
    ObjectRef,
    PartReceipt,
    PutResult,
)
from strongroom.task_groups import first_cause

MID_BODY = failpoints.register("s3.part.mid_body")

#: Seconds that a store may need at Complete for each part: some read or copy all of them.
PART_SECONDS = 0.5
#: The least rate of a store's copies.
COPY_BYTES_PER_SECOND = 16 * MIB


class S3Multipart(S3Writer):
    """The part of ObjectStore about multipart uploads: making and listing them, and copying parts from
    objects.
    """

    async def create(self, key: str, attrs: ObjectAttributes, *, doubtful: Doubtful | None = None) -> str:
        """See ObjectStore.create."""
        self._context.check_key(key, "CreateMultipartUpload")
        settings = self._context.settings
        parameters = object_parameters(attrs, settings)
        if settings.checksum_mode in {"full_object", "composite"}:
            parameters["ChecksumAlgorithm"] = "CRC32C"
            parameters["ChecksumType"] = settings.checksum_mode.upper()
        reply = await self._context.control(
            "CreateMultipartUpload",
            lambda s3: s3.create_multipart_upload(Bucket=settings.bucket, Key=key, **parameters),
            option=special_option(settings),
            doubtful=doubtful,
            needs="UploadId",
        )
        return reply["UploadId"]

    async def upload_part(
        self, key: str, upload_id: str, number: int, chunks: Sequence[Chunk], *, size: int, crc32c: int
    ) -> PartReceipt:
        """See ObjectStore.upload_part."""
        context = self._context
        if context.settings.content_md5:
            headers = await context.offload.write(lambda _: body_headers(context, chunks, crc32c))
        else:
            headers = body_headers(context, chunks, crc32c)
        request = LightRequest(
            method="PUT",
            key=key,
            query={"partNumber": str(number), "uploadId": upload_id},
            headers=headers,
            chunks=chunks,
            size=size,
            mid_body=context.mid_body(MID_BODY),
        )
        head = await context.send("UploadPart", request, option="STRONGROOM_S3_MULTIPART_CHECKSUM")
        echo_verifies(head, crc32c, "UploadPart")
        etag = bare_etag(head.headers.get("etag"))
        if not etag:
            raise StoreUnavailable(
                "The object store confirmed a part without its ETag.",
                operation="UploadPart",
                outcome_unknown=True,
            )
        return PartReceipt(number, etag, size, crc32c)

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
        """See ObjectStore.complete."""
        parameters = self._complete_parameters(parts, crc32c, if_none_match=if_none_match)
        try:
            reply = await self._context.control(
                "CompleteMultipartUpload",
                lambda s3: s3.complete_multipart_upload(
                    Bucket=self._context.settings.bucket, Key=key, UploadId=upload_id, **parameters
                ),
                work=PART_SECONDS * len(parts),
                doubtful=doubtful,
                option="STRONGROOM_S3_CONDITIONAL_WRITES"
                if if_none_match
                else "STRONGROOM_S3_MULTIPART_CHECKSUM",
            )
        except StoreError as error:
            await self._raise_if_gone(key, upload_id, error)
            raise
        verified = crc32c is not None and checksums.from_base64(reply.get("ChecksumCRC32C")) == crc32c
        done = CompleteResult(bare_etag(reply.get("ETag")), reply.get("VersionId"), verified)
        if done.etag:
            return done
        try:
            info = await self.head(ObjectRef(key, done.version_id))  # Ceph RGW 16 omits the ETag at first
        except ObjectNotFound as error:  # so the reply did not mean success
            raise StoreUnavailable(operation="CompleteMultipartUpload", outcome_unknown=True) from error
        return CompleteResult(info.etag, info.version_id, verified)

    async def abort(self, key: str, upload_id: str) -> None:
        """See ObjectStore.abort."""
        bucket = self._context.settings.bucket
        await self._context.control(
            "AbortMultipartUpload",
            lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id),
        )

    async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
        """See ObjectStore.list_parts."""
        parts: list[PartReceipt] = []
        marker: dict[str, Any] = {}
        while True:
            listed, page = await self._context.parsed(
                "ListParts",
                lambda s3, at=marker: s3.list_parts(  # type: ignore[misc]
                    Bucket=self._context.settings.bucket, Key=key, UploadId=upload_id, **at
                ),
                lambda reply: ([_part(found) for found in reply.get("Parts", [])], reply),
                needs="IsTruncated",
            )
            parts += listed
            marker = next_page(page, marker, {"NextPartNumberMarker": "PartNumberMarker"})
            if not marker:
                return parts

    async def list_uploads(self, prefix: str) -> Sequence[ListedUpload]:
        """See ObjectStore.list_uploads."""
        uploads: list[ListedUpload] = []
        marker: dict[str, Any] = {}
        while True:
            listed, page = await self._context.parsed(
                "ListMultipartUploads",
                lambda s3, at=marker: s3.list_multipart_uploads(  # type: ignore[misc]
                    Bucket=self._context.settings.bucket, Prefix=prefix, **at
                ),
                lambda reply: ([_upload(found) for found in reply.get("Uploads", [])], reply),
                needs="IsTruncated",
            )
            uploads += [upload for upload in listed if upload.key.startswith(prefix)]
            marker = next_page(
                page, marker, {"NextKeyMarker": "KeyMarker", "NextUploadIdMarker": "UploadIdMarker"}
            )
            if not marker:
                return uploads

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
        """See ObjectStore.copy_part."""
        extra: dict[str, Any] = {}
        if offset is not None or length is not None:
            if length is None:
                raise ValueError("copying from an offset needs a length")
            extra["CopySourceRange"] = f"bytes={offset or 0}-{(offset or 0) + length - 1}"
        if if_match is not None:
            extra["CopySourceIfMatch"] = f'"{if_match}"'
        size = -1 if length is None else length
        return await self._context.parsed(
            "UploadPartCopy",
            lambda s3: s3.upload_part_copy(
                Bucket=self._context.settings.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource=copy_source(self._context.settings.bucket, source),
                **extra,
            ),
            lambda reply: _copied_part(number, size, reply["CopyPartResult"]),
            work=copy_seconds(length if length is not None else self._context.settings.copy_part_size),
            needs="CopyPartResult",
        )

    def _complete_parameters(
        self, parts: Sequence[PartReceipt], crc32c: int | None, *, if_none_match: bool
    ) -> dict[str, Any]:
        settings = self._context.settings
        declared = settings.checksum_mode in {"full_object", "composite"}
        listed: list[dict[str, Any]] = []
        for part in parts:
            entry: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
            if declared and part.crc32c is not None:
                entry["ChecksumCRC32C"] = checksums.to_base64(part.crc32c)
            listed.append(entry)
        parameters: dict[str, Any] = {"MultipartUpload": {"Parts": listed}}
        if settings.checksum_mode == "full_object" and crc32c is not None:
            parameters["ChecksumCRC32C"] = checksums.to_base64(crc32c)
            parameters["ChecksumType"] = "FULL_OBJECT"
        if if_none_match and settings.conditional_writes:
            parameters["IfNoneMatch"] = "*"
        return parameters

    async def _raise_if_gone(self, key: str, upload_id: str, error: StoreError) -> None:
        """Ask whether the upload exists: Ceph RGW answers Complete of an unknown upload with a 500."""
        if error.http_status is None or error.http_status < 500:
            return
        try:
            await self.list_parts(key, upload_id)
        except UploadNotFound as gone:
            gone.outcome_unknown = error.outcome_unknown
            raise gone from error
        except StoreError:
            return  # the first error says more


def _part(found: Any) -> PartReceipt:
    crc32c = checksums.from_base64(found.get("ChecksumCRC32C"))
    return PartReceipt(found["PartNumber"], needed_etag(found), found["Size"], crc32c)


def _upload(found: Any) -> ListedUpload:
    return ListedUpload(found["Key"], found["UploadId"], utc(found["Initiated"]))


def _copied_part(number: int, size: int, result: Any) -> PartReceipt:
    crc32c = checksums.from_base64(result.get("ChecksumCRC32C"))
    return PartReceipt(number, needed_etag(result), size, crc32c)


def copy_seconds(size: int) -> float:
    """Return how many seconds a server-side copy of ``size`` bytes may take, beyond an ordinary reply."""
    return size / COPY_BYTES_PER_SECOND


def copy_source(bucket: str, ref: ObjectRef) -> Any:
    """Return botocore's CopySource."""
    source = {"Bucket": bucket, "Key": ref.key}
    if (version := version_query(ref).get("versionId")) is not None:
        source["VersionId"] = version
    return source


_PARALLEL_COPIES = 4


class S3Copier(S3Multipart):
    """The part of ObjectStore that copies objects."""

    async def copy(
        self, source: ObjectRef, key: str, attrs: ObjectAttributes, *, size: int, if_match: str | None = None
    ) -> PutResult:
        """See ObjectStore.copy."""
        self._context.check_key(key, "CopyObject")
        settings = self._context.settings
        if size > settings.copy_threshold:
            return await self._copy_in_parts(source, key, attrs, size=size, if_match=if_match)
        extra: dict[str, Any] = object_parameters(attrs, settings)
        if if_match is not None:
            extra["CopySourceIfMatch"] = f'"{if_match}"'
        doubtful = Doubtful()
        etag, version_id = await self._context.parsed(
            "CopyObject",
            lambda s3: s3.copy_object(
                Bucket=settings.bucket,
                Key=key,
                CopySource=copy_source(settings.bucket, source),
                MetadataDirective="REPLACE",
                **extra,
            ),
            lambda reply: (needed_etag(reply["CopyObjectResult"]), reply.get("VersionId")),
            work=copy_seconds(size),
            option=special_option(settings),
            needs="CopyObjectResult",
            doubtful=doubtful,
        )
        return PutResult(etag, version_id, crc32c_verified=False, repeated=doubtful.is_so)

    async def _copy_in_parts(
        self, source: ObjectRef, key: str, attrs: ObjectAttributes, *, size: int, if_match: str | None
    ) -> PutResult:
        part_size = max(self._context.settings.copy_part_size, -(-size // MAX_PARTS))
        if part_size > MAX_PART_SIZE:
            raise EntityTooLarge(operation="CopyObject")
        etag = if_match or (await self.head(source)).etag  # so that all parts are from the same object
        upload_id = await self.create(key, attrs)
        try:
            parts = await self._copy_parts(source, key, upload_id, size=size, part_size=part_size, etag=etag)
            done = await self.complete(key, upload_id, parts)
        except (StoreError, asyncio.CancelledError) as error:
            if not (isinstance(error, StoreError) and error.outcome_unknown):
                await asyncio.shield(self._forget(key, upload_id))
            raise
        return PutResult(done.etag, done.version_id, done.crc32c_verified)

    async def _copy_parts(
        self, source: ObjectRef, key: str, upload_id: str, *, size: int, part_size: int, etag: str
    ) -> list[PartReceipt]:
        permits = asyncio.Semaphore(_PARALLEL_COPIES)

        async def copy_one(number: int, offset: int) -> PartReceipt:
            async with permits:
                length = min(part_size, size - offset)
                return await self.copy_part(
                    source, key, upload_id, number, offset=offset, length=length, if_match=etag
                )

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(copy_one(number, offset))
                    for number, offset in enumerate(range(0, size, part_size), start=1)
                ]
        except BaseExceptionGroup as several:  # `except*` would wrap what it raises again, on Python 3.11.2
            failed, others = several.split(StoreError)
            if failed is None or others is not None:
                raise
            raise first_cause(failed) from None
        return [task.result() for task in tasks]

    async def _forget(self, key: str, upload_id: str) -> None:
        try:
            await self.abort(key, upload_id)
        except StoreError:
            return  # the copy's own error is raised; the cleaner aborts uploads that stay open on this key
