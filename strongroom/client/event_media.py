"""``client.event_media``: photos, videos and documents of events; profile pictures; temporary files."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from strongroom.client.arguments import several
from strongroom.client.connection import Connection
from strongroom.client.family_values import CountedPage
from strongroom.client.files import Family, FileName, StoredFile, Visibility, id_or_key
from strongroom.client.paging import all_pages
from strongroom.client.path_downloads import Downloaded
from strongroom.client.retention import RetentionWish
from strongroom.client.sources import UploadSource
from strongroom.client.targets import EventMedia, ProfilePicture, Temp
from strongroom.client.transfers import FileTransfers
from strongroom.client.uploads import Progress
from strongroom.metadata.v1 import event_media_service_pb2

EventId = str | UUID


class EventMediaFiles:
    """Media of the caller's events, newest first in lists."""

    def __init__(self, client: FileTransfers, connection: Connection, user_id: str) -> None:
        self._client = client
        self._connection = connection
        self._user_id = user_id

    async def put(
        self,
        source: UploadSource,
        event_id: EventId,
        title: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        *,
        filename: str | None = None,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Store one medium; parameters as of ``AsyncClient.upload``."""
        return await self._client.upload(
            source,
            EventMedia(event_id, title, description, tags),
            filename=filename,
            content_type=content_type,
            metadata=metadata,
            visibility=visibility,
            retention=retention,
            storage_class=storage_class,
            request_id=request_id,
            on_progress=on_progress,
            timeout=timeout,
        )

    async def list_page(
        self,
        event_id: EventId,
        *,
        content_type: str = "",
        tag: str = "",
        page_size: int = 100,
        page_token: str = "",
        skip: int = 0,
    ) -> CountedPage:
        """One page, 100 at most. ``content_type`` exact or a wildcard (``image/*``)."""
        request = event_media_service_pb2.ListEventMediaRequest(
            event_id=str(event_id),
            content_type=content_type,
            tag=tag,
            page_size=page_size,
            page_token=page_token,
            skip=skip,
            user_id=self._user_id,
        )
        response = await self._connection.unary(self._connection.event_media.ListEventMedia, request)
        files = tuple(map(StoredFile.from_proto, response.files))
        return CountedPage(files, response.total_size, response.next_page_token)

    async def list(
        self, event_id: EventId, *, content_type: str = "", tag: str = ""
    ) -> AsyncGenerator[StoredFile]:
        """All media of the event, fetched page by page."""
        async for page in all_pages(
            lambda token: self.list_page(event_id, content_type=content_type, tag=tag, page_token=token)
        ):
            for file in page.files:
                yield file

    async def get(self, event_id: EventId, file: FileName) -> StoredFile:
        """One medium.

        :raises FileNotFound: also for media of other events.
        """
        request = event_media_service_pb2.GetEventMediaRequest(
            event_id=str(event_id), file_id=await self._id_of(file), user_id=self._user_id
        )
        response = await self._connection.unary(self._connection.event_media.GetEventMedia, request)
        return StoredFile.from_proto(response.file)

    async def update(
        self,
        event_id: EventId,
        file: FileName,
        *,
        title: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        if_generation_match: int | None = None,
    ) -> StoredFile:
        """Change the given fields. Raises the generation.

        :raises PreconditionFailed: if it is not at ``if_generation_match``.
        """
        request = event_media_service_pb2.UpdateEventMediaRequest(
            event_id=str(event_id),
            file_id=await self._id_of(file),
            title=title,
            description=description,
            tags=None if tags is None else event_media_service_pb2.Tags(values=several("tags", tags)),
            if_generation_match=if_generation_match,
            user_id=self._user_id,
        )
        response = await self._connection.unary(self._connection.event_media.UpdateEventMedia, request)
        return StoredFile.from_proto(response.file)

    async def download(
        self,
        event_id: EventId,
        file: FileName,
        path: str | os.PathLike[str],
        *,
        on_progress: Progress | None = None,
    ) -> Downloaded:
        """Write a medium to ``path``, like ``AsyncClient.download``.

        :raises FileNotFound: also for media of other events.
        """
        return await self._client.download(await self.get(event_id, file), path, on_progress=on_progress)

    async def delete(
        self,
        event_id: EventId,
        file: FileName,
        *,
        soft: bool = False,
        if_generation_match: int | None = None,
    ) -> StoredFile:
        """Delete a medium and return it as it was; parameters as of ``AsyncClient.delete``.

        :raises FileNotFound: also for media of other events.
        """
        return await self._client.delete(
            await self.get(event_id, file),
            soft=soft,
            family=Family.EVENT_MEDIA,
            if_generation_match=if_generation_match,
        )

    async def set_profile_picture(
        self,
        source: UploadSource,
        *,
        filename: str | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        if_generation_match: int | None = None,
        on_progress: Progress | None = None,
    ) -> StoredFile:
        """Store the caller's picture, replacing the previous one atomically."""
        return await self._client.upload(
            source,
            ProfilePicture(),
            filename=filename,
            visibility=visibility,
            retention=retention,
            storage_class=storage_class,
            if_generation_match=if_generation_match,
            on_progress=on_progress,
        )

    async def get_profile_picture(self) -> StoredFile:
        """The caller's picture.

        :raises FileNotFound: when there is none.
        """
        request = event_media_service_pb2.GetProfilePictureRequest(user_id=self._user_id)
        response = await self._connection.unary(self._connection.event_media.GetProfilePicture, request)
        return StoredFile.from_proto(response.file)

    async def delete_profile_picture(self) -> StoredFile:
        """Delete the caller's picture and return it as it was.

        :raises FileNotFound: when there is none.
        """
        return await self._client.delete(await self.get_profile_picture(), family=Family.PROFILE_PICTURE)

    async def put_temp(
        self,
        source: UploadSource,
        ttl: timedelta | None = None,
        *,
        filename: str | None = None,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        on_progress: Progress | None = None,
    ) -> StoredFile:
        """Store a file that is deleted automatically after ``ttl`` (1 s to 30 days; default 24 h)."""
        return await self._client.upload(
            source,
            Temp(ttl),
            filename=filename,
            content_type=content_type,
            metadata=metadata,
            request_id=request_id,
            on_progress=on_progress,
        )

    async def _id_of(self, file: FileName) -> str:
        file_id, _ = id_or_key(file)
        return file_id or (await self._client.get(file)).id
