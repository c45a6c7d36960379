"""metadata.v1.FileService, and LinkedFileService for the file that a link names.

LinkedFileService is internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.db.revisions import Revisions
from metadata_service.files.deletion import Deleter
from metadata_service.files.edits import Edit, Editor
from metadata_service.files.folders import FolderListing, Folders
from metadata_service.files.links import Links
from metadata_service.files.queries import FileQueries, Listing
from metadata_service.files.search import Search, Searcher
from metadata_service.files.trash import Trash
from metadata_service.servicers.event_media_service import details_of
from metadata_service.servicers.filters import filter_of
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import file_service_pb2 as pb
from strongroom.metadata.v1 import linked_file_service_pb2 as linked_pb
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceServicer
from strongroom.metadata.v1.linked_file_service_pb2_grpc import LinkedFileServiceServicer
from strongroom.path_rules import as_stored

Context: TypeAlias = "ServicerContext[object, object]"


class FileServicer(FileServiceServicer):
    """Converts requests and responses."""

    def __init__(
        self,
        queries: FileQueries,
        editor: Editor,
        deleter: Deleter,
        links: Links,
        *,
        trash: Trash,
        folders: Folders,
        searcher: Searcher,
        revisions: Revisions,
    ) -> None:
        self._queries = queries
        self._editor = editor
        self._deleter = deleter
        self._links = links
        self._trash = trash
        self._folders = folders
        self._searcher = searcher
        self._revisions = revisions

    async def GetFile(self, request: pb.GetFileRequest, context: Context) -> pb.GetFileResponse:
        owner = effective_owner(current_principal(), request.user_id)
        if request.WhichOneof("name") == "key":
            file = await self._queries.by_key(
                owner, as_stored(request.key), show_deleted=request.show_deleted
            )
        else:
            file = await self._queries.by_id(owner, UUID(request.file_id), show_deleted=request.show_deleted)
        return pb.GetFileResponse(file=file)

    async def BatchGetFiles(
        self, request: pb.BatchGetFilesRequest, context: Context
    ) -> pb.BatchGetFilesResponse:
        owner = effective_owner(current_principal(), request.user_id)
        files = await self._queries.by_ids(owner, [UUID(text) for text in request.file_ids])
        return pb.BatchGetFilesResponse(files=files)

    async def ListFiles(self, request: pb.ListFilesRequest, context: Context) -> pb.ListFilesResponse:
        owner = effective_owner(current_principal(), request.user_id)
        basic = request.view == pb.FILE_VIEW_BASIC
        listing = Listing(owner, as_stored(request.prefix), request.family, request.show_deleted, basic)
        with self._revisions.seen() as seen:
            page = await self._queries.page(listing, request.page_size, request.page_token)
        page.revision = seen.text
        return page

    async def UpdateFile(self, request: pb.UpdateFileRequest, context: Context) -> pb.UpdateFileResponse:
        details = details_of(request)
        edit = Edit(
            owner_id=effective_owner(current_principal(), request.user_id),
            file_id=UUID(request.file_id),
            filename=request.filename if request.HasField("filename") else None,
            visibility=request.visibility if request.HasField("visibility") else None,
            metadata=request.metadata,
            replace_metadata=request.replace_metadata,
            remove_metadata=request.remove_metadata,
            details=details if details.first else None,
            if_generation_match=request.if_generation_match
            if request.HasField("if_generation_match")
            else None,
        )
        return pb.UpdateFileResponse(file=await self._editor.update(edit))

    async def UndeleteFile(
        self, request: pb.UndeleteFileRequest, context: Context
    ) -> pb.UndeleteFileResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.UndeleteFileResponse(file=await self._deleter.undelete(owner, UUID(request.file_id)))

    async def RevokeLinks(self, request: pb.RevokeLinksRequest, context: Context) -> pb.RevokeLinksResponse:
        owner = effective_owner(current_principal(), request.user_id)
        if request.all_files:
            await self._links.revoke_all(owner)
            return pb.RevokeLinksResponse()
        file_id = UUID(request.file_id) if request.file_id else None
        revoked = await self._links.revoke(owner, file_id=file_id, key=as_stored(request.key))
        return pb.RevokeLinksResponse(file_id=revoked)

    async def ListTrash(self, request: pb.ListTrashRequest, context: Context) -> pb.ListTrashResponse:
        owner = effective_owner(current_principal(), request.user_id)
        where = owner, request.family
        with self._revisions.seen() as seen:
            files, token = await self._trash.page(*where, request.page_size, request.page_token)
        return pb.ListTrashResponse(files=files, next_page_token=token, revision=seen.text)

    async def PurgeFile(self, request: pb.PurgeFileRequest, context: Context) -> pb.PurgeFileResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.PurgeFileResponse(file=await self._trash.purge(owner, UUID(request.file_id)))

    async def EmptyTrash(self, request: pb.EmptyTrashRequest, context: Context) -> pb.EmptyTrashResponse:
        owner = effective_owner(current_principal(), request.user_id)
        gone = await self._trash.empty(owner, request.family)
        return pb.EmptyTrashResponse(
            file_count=gone.files, size_bytes=gone.size_bytes, more=gone.more, kept_count=gone.kept
        )

    async def ListFolder(self, request: pb.ListFolderRequest, context: Context) -> pb.ListFolderResponse:
        owner = effective_owner(current_principal(), request.user_id)
        listing = FolderListing(owner, as_stored(request.prefix), request.family)
        with self._revisions.seen() as seen:
            page = await self._folders.page(listing, request.page_size, request.page_token)
        return pb.ListFolderResponse(
            folders=page.folders, files=page.files, next_page_token=page.token, revision=seen.text
        )

    async def DeleteFolder(
        self, request: pb.DeleteFolderRequest, context: Context
    ) -> pb.DeleteFolderResponse:
        owner = effective_owner(current_principal(), request.user_id)
        gone = await self._folders.delete(owner, as_stored(request.folder), soft=request.soft)
        return pb.DeleteFolderResponse(file_count=gone.files, size_bytes=gone.size_bytes)

    async def SearchFiles(self, request: pb.SearchFilesRequest, context: Context) -> pb.SearchFilesResponse:
        owner = effective_owner(current_principal(), request.user_id)
        wanted = Search(owner, request.family, as_stored(request.prefix), filter_of(request.filter))
        with self._revisions.seen() as seen:
            files, token = await self._searcher.page(wanted, request.page_size, request.page_token)
        return pb.SearchFilesResponse(files=files, next_page_token=token, revision=seen.text)


class LinkedFileServicer(LinkedFileServiceServicer):
    """Converts requests and responses. Acts for the owner whom a link's token names."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def GetLinkedFile(
        self, request: linked_pb.GetLinkedFileRequest, context: Context
    ) -> linked_pb.GetLinkedFileResponse:
        file = await self._links.linked_file(request.owner_id, UUID(request.file_id), request.stamp)
        return linked_pb.GetLinkedFileResponse(file=file)
