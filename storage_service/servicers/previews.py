"""PreviewService over gRPC: the preview's token is the only credential needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews
from storage_service.servicers.transfers import Transfers
from strongroom.storage.v1 import preview_pb2, preview_pb2_grpc

Context = grpc.aio.ServicerContext


class PreviewServicer(preview_pb2_grpc.PreviewServiceServicer):
    """See strongroom/storage/v1/preview.proto for what each call promises."""

    def __init__(self, previews: Previews, outgoing: Outgoing, transfers: Transfers | None = None) -> None:
        self._transfers = transfers or Transfers()
        self._previews = previews
        self._outgoing = outgoing

    async def DownloadPreview(
        self,
        request: preview_pb2.DownloadPreviewRequest,
        context: Context[preview_pb2.DownloadPreviewRequest, preview_pb2.DownloadPreviewResponse],
    ) -> AsyncIterator[preview_pb2.DownloadPreviewResponse]:
        messages = self._outgoing.paced(self._previews.messages(request), lambda message: len(message.data))
        async with aclosing(messages) as paced:
            sent = None
            async for message in paced:
                if message.HasField("file"):
                    sent = self._transfers.begun(message.file, "preview")
                elif sent is not None:
                    sent.inc(len(message.data))
                yield message
                del message
