"""GuestService over gRPC: a share's token is the caller's only credential."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import grpc

from storage_service.reading.outgoing import Outgoing
from storage_service.servicers.transfers import ARCHIVE, Transfers
from storage_service.sharing.contents import SharedContents
from storage_service.sharing.drops import Drops
from storage_service.sharing.guests import Guests, shown
from strongroom.storage.v1 import guest_pb2 as pb
from strongroom.storage.v1.guest_pb2_grpc import GuestServiceServicer, add_GuestServiceServicer_to_server
from strongroom.wire import DownloadChunk

Context = grpc.aio.ServicerContext

SERVICE: Final = pb.DESCRIPTOR.services_by_name["GuestService"].full_name


@dataclass(frozen=True, slots=True)
class Sharing:
    """The use cases that GuestService hands requests to."""

    guests: Guests
    contents: SharedContents
    drops: Drops


class GuestServicer(GuestServiceServicer):
    """See strongroom/storage/v1/guest.proto for what each call promises."""

    def __init__(self, sharing: Sharing, outgoing: Outgoing, transfers: Transfers | None = None) -> None:
        self._do = sharing
        self._transfers = transfers or Transfers()
        self._outgoing = outgoing

    async def OpenShare(
        self, request: pb.OpenShareRequest, context: Context[pb.OpenShareRequest, pb.OpenShareResponse]
    ) -> pb.OpenShareResponse:
        return await self._do.guests.open(request)

    async def GetShared(
        self, request: pb.GetSharedRequest, context: Context[pb.GetSharedRequest, pb.GetSharedResponse]
    ) -> pb.GetSharedResponse:
        share, is_open = await self._do.guests.look(request.token, request.session)
        return pb.GetSharedResponse(share=shown(share, is_open=is_open))

    async def ListShared(
        self, request: pb.ListSharedRequest, context: Context[pb.ListSharedRequest, pb.ListSharedResponse]
    ) -> pb.ListSharedResponse:
        share = await self._do.guests.enter(request.token, request.session)
        items, token = await self._do.contents.page(share, request.page_size, request.page_token)
        return pb.ListSharedResponse(share=shown(share, is_open=True), items=items, next_page_token=token)

    async def DownloadShared(
        self,
        request: pb.DownloadSharedRequest,
        context: Context[pb.DownloadSharedRequest, pb.DownloadSharedResponse],
    ) -> AsyncIterator[pb.DownloadSharedResponse]:
        share = await self._do.guests.enter(request.token, request.session)
        sending = self._transfers.one("share")
        messages = self._outgoing.paced(
            self._do.contents.messages(share, request, sending.begun), lambda message: len(message.data)
        )
        async with aclosing(messages) as paced:
            async for message in paced:
                sending.piece(len(message.data))
                if isinstance(message, DownloadChunk):
                    yield pb.DownloadSharedResponse(data=bytes(message.data))
                else:
                    yield message
                del message

    async def DownloadSharedArchive(
        self,
        request: pb.DownloadSharedArchiveRequest,
        context: Context[pb.DownloadSharedArchiveRequest, pb.DownloadSharedArchiveResponse],
    ) -> AsyncIterator[pb.DownloadSharedArchiveResponse]:
        share = await self._do.guests.enter(request.token, request.session)
        async with aclosing(self._outgoing.paced(self._do.contents.archive(share))) as pieces:
            sent = self._transfers.sending(ARCHIVE, "share")
            async for piece in pieces:
                sent.inc(len(piece))
                yield pb.DownloadSharedArchiveResponse(data=piece)
                del piece

    async def DropFile(
        self,
        request_iterator: AsyncIterator[pb.DropFileRequest],
        context: Context[pb.DropFileRequest, pb.DropFileResponse],
    ) -> pb.DropFileResponse:
        dropped = await self._do.drops.drop(request_iterator)
        if not dropped.stored.replayed:
            self._transfers.stored(dropped.stored.file, "drop")
        return dropped.answer


def add_guest_service(server: grpc.aio.Server, servicer: GuestServicer) -> list[str]:
    """Add the service to ``server``; returns its full name."""
    add_GuestServiceServicer_to_server(servicer, server)
    return [SERVICE]
