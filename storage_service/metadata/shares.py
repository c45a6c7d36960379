"""GuestAccessService: opens shares for guests. Also lists what a share contains, with its owner's rights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import guest_access_service_pb2 as pb
from strongroom.metadata.v1.event_media_service_pb2 import ListEventMediaRequest
from strongroom.metadata.v1.event_media_service_pb2_grpc import EventMediaServiceStub
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFilesRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from strongroom.metadata.v1.guest_access_service_pb2_grpc import GuestAccessServiceStub
from strongroom.metadata.v1.project_pb2 import Project, ProjectFile
from strongroom.metadata.v1.project_service_pb2 import GetProjectRequest, ListProjectFilesRequest
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub

#: Seconds. Argon2 is slow on purpose, and may have to wait for its turn.
ADMIT_SECONDS = 9.0


class GuestAccess(MetadataClient):
    """Admits guests. Calls are made as this service, because guests have no account."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._guests = GuestAccessServiceStub(channel)

    async def admit(self, token: str, password: str) -> pb.AdmitGuestResponse:
        """Count one use of a share and return it. Raises ShareNotFound, ShareEnded, SharePasswordWrong,
        RateLimited, Overloaded.
        """
        request = pb.AdmitGuestRequest(token=token, password=password)
        return await self._step(self._guests.AdmitGuest, request, ADMIT_SECONDS)

    async def share(self, token: str) -> pb.GetGuestShareResponse:
        """Return the share's current state. Raises ShareNotFound, ShareEnded."""
        return await self._step(self._guests.GetGuestShare, pb.GetGuestShareRequest(token=token))


class SharedThings(MetadataClient):
    """Lists what shares contain. The caller of the request in progress has to be the share's owner."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._files = FileServiceStub(channel)
        self._media = EventMediaServiceStub(channel)
        self._projects = ProjectServiceStub(channel)

    async def files_page(self, prefix: str, size: int, token: str) -> tuple[Sequence[File], str]:
        """Return files in key order, and the next page token. Raises InvalidPageToken."""
        request = ListFilesRequest(prefix=prefix, page_size=size, page_token=token)
        page = await self._ask(self._files.ListFiles, request)
        return page.files, page.next_page_token

    async def media_page(self, event_id: str, size: int, token: str) -> tuple[Sequence[File], str]:
        """Return media of an event, newest first, and the next page token. Raises InvalidPageToken."""
        request = ListEventMediaRequest(event_id=event_id, page_size=size, page_token=token)
        page = await self._ask(self._media.ListEventMedia, request)
        return page.files, page.next_page_token

    async def media(self, event_id: str) -> AsyncIterator[Sequence[File]]:
        """Yield all pages of an event's media."""
        request = ListEventMediaRequest(event_id=event_id, page_size=100)
        async for page in self._pages(self._media.ListEventMedia, request):
            yield page.files

    async def project(self, slug: str) -> Project:
        """Return a project. Raises ProjectNotFound."""
        return (await self._ask(self._projects.GetProject, GetProjectRequest(slug=slug))).project

    async def project_page(
        self, slug: str, version: int, size: int, token: str
    ) -> tuple[Sequence[ProjectFile], str]:
        """Return files of a version in path order, and the next page token.

        Raises ProjectNotFound, VersionNotFound, InvalidPageToken.
        """
        request = ListProjectFilesRequest(slug=slug, version=version, page_size=size, page_token=token)
        page = await self._ask(self._projects.ListProjectFiles, request)
        return page.files, page.next_page_token
