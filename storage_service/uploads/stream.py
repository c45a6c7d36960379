"""What an Upload stream must look like: the checks between gRPC messages and bytes.

The end of a stream means nothing: grpc.aio also ends a handler's iterator cleanly when the client is
cancelled or dies. Only ``finish_write`` says that the body is whole; without it ``chunks()`` raises
UploadIncomplete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from storage_service.content.body import BodyChecks, checked_chunk
from storage_service.objectstore.checksums import Counted
from strongroom.errors import (
    MalformedRequest,
    UploadIncomplete,
)
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums
from strongroom.wire import UploadChunk


class UploadStream:
    """The request stream of one Upload call: call ``first()``, then iterate ``chunks()`` once.

    ``spec`` is what the messages so far have said. While it is ``provisional``, the last message may correct
    its target.
    """

    def __init__(self, requests: AsyncIterator[UploadRequest | UploadChunk]) -> None:
        self._requests = requests
        self._pending: UploadRequest | None = None
        self.provisional = False
        self.spec = UploadSpec()

    async def first(self) -> UploadRequest:
        """Return the first message, which says what is uploaded. Raises UploadIncomplete,
        MalformedRequest.
        """
        async for request in self._requests:
            if isinstance(request, UploadChunk) or request.WhichOneof("first_message") is None:
                raise MalformedRequest("the first message of Upload must carry spec or upload_id")
            self._pending = request
            self.provisional = request.provisional_target
            self.spec = request.spec
            return request
        raise UploadIncomplete("the stream ended before its first message")

    @property
    def rest(self) -> AsyncIterator[UploadRequest | UploadChunk]:
        """The messages that have not been read, for callers that check them themselves."""
        return self._requests

    async def chunks(self, checks: BodyChecks) -> AsyncIterator[Counted]:
        """Yield the body's chunks after verifying each; ends only after finish_write and all checks have
        passed.

        Raises UploadIncomplete, MalformedRequest, OffsetOutOfRange and what BodyChecks raises.
        """
        if self._pending is None:
            raise RuntimeError("first() comes before chunks()")
        request: UploadRequest | UploadChunk = self._pending
        self._pending = None
        while True:
            chunk = checked_chunk(request, checks.size)
            checks.feed(chunk)
            if request.finish_write:
                self.provisional = False
                final = request.object_checksums if isinstance(request, UploadRequest) else Checksums()
                checks.finish(final)  # before the last bytes are passed on, so that nothing has to be undone
            if len(chunk):
                yield chunk
            if request.finish_write:
                return
            request = await self._next(checks.size)

    async def _next(self, received: int) -> UploadRequest | UploadChunk:
        async for request in self._requests:
            if isinstance(request, UploadRequest) and request.WhichOneof("first_message") is not None:
                if not (self.provisional and request.finish_write and request.HasField("spec")):
                    raise MalformedRequest("spec and upload_id belong to the first message only")
                self.spec = request.spec
            return request
        raise UploadIncomplete(
            f"the stream ended after {received} bytes without finish_write; nothing was stored"
        )
