"""HeadObject and GetObject, on the light path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage_service.objectstore.errors import RangeNotSatisfiable
from storage_service.objectstore.s3.attributes import object_info
from storage_service.objectstore.s3.context import S3Context
from storage_service.objectstore.s3.light import LightRequest
from storage_service.objectstore.s3.stream import S3Stream
from storage_service.objectstore.values import ObjectInfo, ObjectRef


class S3Reader:
    """Part of ObjectStore."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def head(self, ref: ObjectRef) -> ObjectInfo:
        """See ObjectStore.head."""
        request = LightRequest(
            method="HEAD", key=ref.key, query=version_query(ref), headers={"x-amz-checksum-mode": "ENABLED"}
        )
        return await self._context.fetch(
            "HeadObject", request, lambda head: object_info(ref.key, head.headers)
        )

    @asynccontextmanager
    async def open(
        self, ref: ObjectRef, *, offset: int = 0, length: int | None = None, if_match: str | None = None
    ) -> AsyncIterator[S3Stream]:
        """See ObjectStore.open."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError("offset and length may not be negative")
        stream = S3Stream(self._context, ref, offset=offset, length=length, if_match=if_match)
        try:
            try:
                await stream.start()
            except RangeNotSatisfiable:
                info = await self.head(ref)
                if offset or info.size:
                    raise
                stream.start_empty(info)
            yield stream
        finally:
            await stream.close()


def version_query(ref: ObjectRef) -> dict[str, str]:
    """Query parameters that choose the version."""
    return {} if ref.version_id is None else {"versionId": ref.version_id}
