"""Copies inside the store.

One CopyObject, or a multipart copy where that would take too long or is not allowed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from storage_service.objectstore.errors import EntityTooLarge, StoreError
from storage_service.objectstore.s3.attributes import needed_etag, object_parameters, special_option
from storage_service.objectstore.s3.multipart import S3Multipart, copy_seconds, copy_source
from storage_service.objectstore.values import (
    MAX_PART_SIZE,
    MAX_PARTS,
    Doubtful,
    ObjectAttributes,
    ObjectRef,
    PartReceipt,
    PutResult,
)

_PARALLEL_COPIES = 4


class S3Copier(S3Multipart):
    """Part of ObjectStore."""

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
        etag = if_match or (await self.head(source)).etag  # all parts from one and the same object
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
        slots = asyncio.Semaphore(_PARALLEL_COPIES)

        async def copy_one(number: int, offset: int) -> PartReceipt:
            async with slots:
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
        except* StoreError as several:
            raise _first(several) from several
        return [task.result() for task in tasks]

    async def _forget(self, key: str, upload_id: str) -> None:
        try:
            await self.abort(key, upload_id)
        except StoreError:
            return  # the copy's own error matters; the cleaner aborts what is left open on this key


def _first(group: BaseExceptionGroup[StoreError]) -> StoreError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
