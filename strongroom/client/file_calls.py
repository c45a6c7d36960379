"""Calls about files that don't transfer contents; part of ``AsyncClient``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Literal

from strongroom import errors
from strongroom.client.arguments import pairs, several
from strongroom.client.costs import Costs
from strongroom.client.files import (
    Family,
    FileName,
    FilePage,
    SignedUrl,
    StoredFile,
    Usage,
    Visibility,
    family_number,
    id_or_key,
    name_file,
    visibility_number,
    whole_seconds,
)
from strongroom.client.searches import SearchCalls
from strongroom.client.targets import Target, target_proto
from strongroom.client.uploads import UploadLimit
from strongroom.metadata.v1 import (
    event_media_service_pb2,
    file_service_pb2,
    target_pb2,
    usage_service_pb2,
)
from strongroom.storage.v1 import batch_pb2, diagnostics_service_pb2, download_pb2

#: The service reduces larger values.
PAGE_SIZE = 1000


class FileCalls(SearchCalls):
    """Queries, edits, deletion, the trash, links and signed URLs, for the caller or the user it acts for."""

    async def get(
        self, file: FileName, *, show_deleted: bool = False, timeout: float | None = None
    ) -> StoredFile:
        """One file.

        :raises FileNotFound: also when it is somebody else's.
        """
        if self._spooled is not None:
            if (waiting := await self._spooled.find(file)) is not None:
                return waiting.file
            file = await self._spooled.resolve(file)
        request = file_service_pb2.GetFileRequest(user_id=self._user_id, show_deleted=show_deleted)
        name_file(request, file)
        response = await self._connection.unary(self._connection.files.GetFile, request, timeout=timeout)
        return StoredFile.from_proto(response.file)

    async def get_many(
        self, file_ids: Sequence[str], *, timeout: float | None = None
    ) -> Sequence[StoredFile]:
        """Up to 1,000 files by id, in one request: those that exist, in the order given. Spooled files are
        not included.
        """
        request = file_service_pb2.BatchGetFilesRequest(
            file_ids=several("file_ids", file_ids), user_id=self._user_id
        )
        response = await self._connection.unary(
            self._connection.files.BatchGetFiles, request, timeout=timeout
        )
        return tuple(map(StoredFile.from_proto, response.files))

    async def exists(self, file: FileName, *, timeout: float | None = None) -> bool:
        """Whether ``get`` would find it."""
        try:
            await self.get(file, timeout=timeout)
        except errors.FileNotFound:
            return False
        return True

    async def list_page(
        self,
        prefix: str = "",
        *,
        family: Family | None = None,
        show_deleted: bool = False,
        page_size: int = 100,
        page_token: str = "",
        timeout: float | None = None,
    ) -> FilePage:
        """One page of the caller's files whose key begins with ``prefix``, in key order; at most 1,000."""
        request = file_service_pb2.ListFilesRequest(
            prefix=prefix,
            page_size=page_size,
            page_token=page_token,
            family=family_number(family),
            show_deleted=show_deleted,
            user_id=self._user_id,
        )

        async def listed() -> FilePage:
            response = await self._connection.unary(
                self._connection.files.ListFiles, request, timeout=timeout
            )
            return FilePage(tuple(map(StoredFile.from_proto, response.files)), response.next_page_token)

        if self._spooled is None:
            return await listed()
        return await self._spooled.page(listed, prefix, family, first=not page_token)

    async def list_pages(
        self,
        prefix: str = "",
        *,
        family: Family | None = None,
        show_deleted: bool = False,
        page_size: int = PAGE_SIZE,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AsyncGenerator[FilePage]:
        """``list_page`` from ``page_token`` to the end; ``timeout`` applies to each page."""
        more = True
        while more:
            page = await self.list_page(
                prefix,
                family=family,
                show_deleted=show_deleted,
                page_size=page_size,
                page_token=page_token,
                timeout=timeout,
            )
            yield page
            page_token = page.next_page_token
            more = bool(page_token)

    async def list(
        self, prefix: str = "", *, family: Family | None = None, show_deleted: bool = False
    ) -> AsyncGenerator[StoredFile]:
        """All of the caller's files whose key begins with ``prefix``, in key order, fetched page by page."""
        async for page in self.list_pages(prefix, family=family, show_deleted=show_deleted):
            for file in page.files:
                yield file

    async def update(
        self,
        file: FileName,
        *,
        filename: str | None = None,
        visibility: Visibility | None = None,
        metadata: Mapping[str, str] | None = None,
        set_metadata: Mapping[str, str] | None = None,
        remove_metadata: Sequence[str] = (),
        title: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        if_generation_match: int | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Change the given fields, all or none. Raises the generation.

        :param metadata: replaces the user metadata as a whole; ``set_metadata`` and ``remove_metadata``
            change single pairs instead.
        :param title: only for event media, like ``description`` and ``tags``.
        :raises ValueError: for ``metadata`` together with ``set_metadata`` or ``remove_metadata``.
        :raises PreconditionFailed: if the file is not at ``if_generation_match``.
        """
        if metadata is not None and (set_metadata or remove_metadata):
            raise ValueError("metadata replaces all pairs; give it, or set_metadata and remove_metadata")
        request = file_service_pb2.UpdateFileRequest(
            file_id=await self._id_of(file),
            filename=filename,
            visibility=visibility_number(visibility) if visibility else None,
            metadata=pairs("metadata", (set_metadata or {}) if metadata is None else metadata),
            replace_metadata=metadata is not None,
            remove_metadata=several("remove_metadata", remove_metadata),
            title=title,
            description=description,
            tags=None if tags is None else event_media_service_pb2.Tags(values=several("tags", tags)),
            if_generation_match=if_generation_match,
            user_id=self._user_id,
        )
        response = await self._connection.unary(self._connection.files.UpdateFile, request, timeout=timeout)
        return StoredFile.from_proto(response.file)

    async def delete(
        self,
        file: FileName,
        *,
        soft: bool = False,
        family: Family | None = None,
        if_generation_match: int | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Delete ``file`` and return it as it was. ``soft``: ``undelete`` can restore it until ``purge_at``.
        ``family``: only a file of this family is found.

        Not retried automatically: after a lost answer, ``FileNotFound`` from another call means that it was
        deleted.

        :raises FileNotFound: also when it was deleted before.
        """
        request = batch_pb2.DeleteFileRequest(
            soft=soft,
            user_id=self._user_id,
            if_generation_match=if_generation_match,
            family=family_number(family),
        )
        if self._spooled is not None:
            return await self._spooled.delete(request, file, timeout)
        name_file(request, file)
        response = await self._connection.unary(self._connection.storage.DeleteFile, request, timeout=timeout)
        return StoredFile.from_proto(response.file)

    async def undelete(self, file: FileName, *, timeout: float | None = None) -> StoredFile:
        """Restore a soft-deleted file.

        :raises FileNotFound: if it does not exist, or its ``purge_at`` has passed.
        """
        request = file_service_pb2.UndeleteFileRequest(
            file_id=await self._id_of(file, show_deleted=True), user_id=self._user_id
        )
        response = await self._connection.unary(self._connection.files.UndeleteFile, request, timeout=timeout)
        return StoredFile.from_proto(response.file)

    async def sign_url(
        self,
        file: FileName,
        *,
        expires_in: timedelta | int | None = None,
        method: Literal["GET", "HEAD"] = "GET",
        disposition: Literal["inline", "attachment"] | None = None,
        family: Family | None = None,
        timeout: float | None = None,
    ) -> SignedUrl:
        """A URL that reads ``file`` without a token.

        :param expires_in: 1 s to 7 days, in seconds or as a timedelta; default one hour.
        :param disposition: how a browser treats it; default: inline for safe types, else attachment.
        :param family: only a file of this family is found.
        :raises ValueError: ``expires_in`` is no time to come; or another method or disposition.
        """
        seconds = whole_seconds(expires_in)
        if seconds == 0:
            raise ValueError("expires_in is 1 s to 7 days; leave it out for one hour")
        if method not in {"GET", "HEAD"}:
            raise ValueError(f"method is GET or HEAD, not {method!r}; signed URLs only read")
        if disposition not in {None, "inline", "attachment"}:
            raise ValueError(f"disposition is 'inline' or 'attachment', not {disposition!r}")
        request = download_pb2.SignUrlRequest(
            expires_in_seconds=seconds or 0,
            method=download_pb2.SignedMethod.Value(f"SIGNED_METHOD_{method}"),
            disposition=download_pb2.Disposition.Value(
                f"DISPOSITION_{(disposition or 'unspecified').upper()}"
            ),
            user_id=self._user_id,
            family=family_number(family),
        )
        name_file(request, file)
        response = await self._connection.unary(self._connection.storage.SignUrl, request, timeout=timeout)
        return SignedUrl.from_proto(response)

    async def costs(self, *, timeout: float | None = None) -> Costs:
        """Estimated monthly cost of the caller's objects."""
        request = usage_service_pb2.GetCostsRequest(user_id=self._user_id)
        return Costs.from_proto(
            await self._connection.unary(self._connection.usages.GetCosts, request, timeout=timeout)
        )

    async def usage(self, *, timeout: float | None = None) -> Usage:
        """The caller's usage and limits."""
        request = usage_service_pb2.GetUsageRequest(user_id=self._user_id)
        response = await self._connection.unary(self._connection.usages.GetUsage, request, timeout=timeout)
        return Usage.from_proto(response.usage)

    async def upload_limits(self, *, timeout: float | None = None) -> dict[str, UploadLimit]:
        """Size limits of uploads, by ``uploads``, ``documents``, ``audio``, ``generation``, ``event_media``,
        ``profile_picture``, ``temp``, ``path``, ``project`` (all of its files) and ``project_file`` (each of
        them). Empty if the service is an older one that does not report them.
        """
        request = diagnostics_service_pb2.DiagnoseRequest()
        method = self._connection.diagnostics.Diagnose
        response = await self._connection.unary(method, request, timeout=timeout, safe=True)
        return {limit.family: UploadLimit.from_proto(limit) for limit in response.limits}

    async def _spooling_owner(self) -> str:
        """Return the owner named by the token if there is a spool; else empty."""
        return "" if self._spooled is None else await self._spooled.owner()

    def _spec(
        self, target: Target | None, filename: str, content_type: str, metadata: Mapping[str, str] | None
    ) -> target_pb2.UploadSpec:
        return target_pb2.UploadSpec(
            target=target_proto(target),
            filename=filename,
            content_type=content_type,
            metadata=None if metadata is None else pairs("metadata", metadata),
            user_id=self._user_id,
        )

    async def _id_of(self, file: FileName, *, show_deleted: bool = False) -> str:
        """Return the id; the service is asked if only the key is known."""
        file_id, _ = id_or_key(file)
        return file_id or (await self.get(file, show_deleted=show_deleted)).id
