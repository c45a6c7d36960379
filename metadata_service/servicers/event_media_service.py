"""metadata.v1.EventMediaService."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.db.paging import page_size
from metadata_service.db.revisions import Revisions
from metadata_service.files.event_media import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    DetailEdit,
    EventMedia,
    MediaEdit,
    MediaFilter,
)
from metadata_service.files.newest_first import PageRequest
from metadata_service.servicers.filters import filter_of
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import event_media_service_pb2 as pb
from strongroom.metadata.v1.event_media_service_pb2_grpc import EventMediaServiceServicer
from strongroom.metadata.v1.file_service_pb2 import UpdateFileRequest

Context: TypeAlias = "ServicerContext[object, object]"


def details_of(request: pb.UpdateEventMediaRequest | UpdateFileRequest) -> DetailEdit:
    """The changes to details in a request."""
    return DetailEdit(
        title=request.title if request.HasField("title") else None,
        description=request.description if request.HasField("description") else None,
        tags=list(request.tags.values) if request.HasField("tags") else None,
    )


class EventMediaServicer(EventMediaServiceServicer):
    """Converts requests and responses."""

    def __init__(self, media: EventMedia, revisions: Revisions) -> None:
        self._media = media
        self._revisions = revisions

    async def GetEventMedia(
        self, request: pb.GetEventMediaRequest, context: Context
    ) -> pb.GetEventMediaResponse:
        owner = effective_owner(current_principal(), request.user_id)
        file = await self._media.by_id(owner, UUID(request.event_id), UUID(request.file_id))
        return pb.GetEventMediaResponse(file=file)

    async def ListEventMedia(
        self, request: pb.ListEventMediaRequest, context: Context
    ) -> pb.ListEventMediaResponse:
        owner = effective_owner(current_principal(), request.user_id)
        wanted = MediaFilter(
            owner,
            UUID(request.event_id),
            request.content_type or request.filter.content_type,
            request.tag,
            replace(filter_of(request.filter), content_type=""),
        )
        size = page_size(request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        page = PageRequest(size, request.page_token, request.skip)
        with self._revisions.seen() as seen:
            files, total, token = await self._media.page(wanted, page)
        return pb.ListEventMediaResponse(
            files=files, total_size=total, next_page_token=token, revision=seen.text
        )

    async def UpdateEventMedia(
        self, request: pb.UpdateEventMediaRequest, context: Context
    ) -> pb.UpdateEventMediaResponse:
        edit = MediaEdit(
            owner_id=effective_owner(current_principal(), request.user_id),
            event_id=UUID(request.event_id),
            file_id=UUID(request.file_id),
            details=details_of(request),
            if_generation_match=request.if_generation_match
            if request.HasField("if_generation_match")
            else None,
        )
        return pb.UpdateEventMediaResponse(file=await self._media.update(edit))

    async def GetProfilePicture(
        self, request: pb.GetProfilePictureRequest, context: Context
    ) -> pb.GetProfilePictureResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetProfilePictureResponse(file=await self._media.profile_picture(owner))
