"""LinkService and PreviewService over gRPC: the token in the request is the only credential needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import grpc

from storage_service.reading.links import LinkReader
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews
from storage_service.servicers.transfers import Transfers
from strongroom import wire
from strongroom.storage.v1 import link_pb2, preview_pb2, preview_pb2_grpc
from strongroom.wire import DownloadChunk

Context = grpc.aio.ServicerContext

SERVICE: Final = link_pb2.DESCRIPTOR.services_by_name["LinkService"].full_name


class LinkServicer:
    """See strongroom/storage/v1/link.proto for what the call promises."""

    def __init__(self, reader: LinkReader, outgoing: Outgoing, transfers: Transfers | None = None) -> None:
        self._reader = reader
        self._transfers = transfers or Transfers()
        self._outgoing = outgoing

    async def DownloadLink(
        self,
        request: link_pb2.DownloadLinkRequest,
        context: Context[link_pb2.DownloadLinkRequest, link_pb2.DownloadLinkResponse],
    ) -> AsyncIterator[link_pb2.DownloadLinkResponse | DownloadChunk]:
        sending = self._transfers.one("link")
        messages = self._outgoing.paced(
            self._reader.messages(request, sending.begun), lambda message: len(message.data)
        )
        async with aclosing(messages) as paced:
            async for message in paced:
                sending.piece(len(message.data))
                yield message
                del message


def add_link_service(server: grpc.aio.Server, servicer: LinkServicer) -> list[str]:
    """Add the service to ``server``, with the copy-saving serializer; returns its full name."""
    handler = grpc.unary_stream_rpc_method_handler(
        servicer.DownloadLink,
        request_deserializer=link_pb2.DownloadLinkRequest.FromString,
        response_serializer=wire.encode_download,
    )
    handlers = {"DownloadLink": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]


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
