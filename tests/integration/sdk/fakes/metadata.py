"""FileService and UsageService in memory."""

from __future__ import annotations

from strongroom import errors
from strongroom.metadata.v1 import file_service_pb2, usage_service_pb2
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceServicer
from strongroom.metadata.v1.usage_service_pb2_grpc import UsageServiceServicer
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.fakes.storage import Context, metadata_of, raise_fault, refuse


class FakeFiles(FileServiceServicer):
    """Queries and edits."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _begin(self, context: Context, name: str, user_id: str) -> str:
        self._state.calls.append(name)
        raise_fault(self._state.take(self._state.unary_faults))
        return self._state.owner(metadata_of(context), user_id)

    async def GetFile(
        self, request: file_service_pb2.GetFileRequest, context: Context
    ) -> file_service_pb2.GetFileResponse:
        try:
            owner = self._begin(context, "GetFile", request.user_id)
            found = self._state.find(owner, request.file_id, request.key, show_deleted=request.show_deleted)
            return file_service_pb2.GetFileResponse(file=found.file)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise

    async def ListFiles(
        self, request: file_service_pb2.ListFilesRequest, context: Context
    ) -> file_service_pb2.ListFilesResponse:
        try:
            owner = self._begin(context, "ListFiles", request.user_id)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        files = sorted((one.file for one in self._state.stored.values()), key=lambda file: file.key)
        matching = [
            file
            for file in files
            if file.owner_id == owner
            and file.key.startswith(request.prefix)
            and file.key > request.page_token
            and (not request.family or file.family == request.family)
            and (request.show_deleted or not file.HasField("delete_time"))
        ]
        size = min(request.page_size or 100, 1000)
        page = matching[:size]
        token = page[-1].key if len(matching) > size else ""
        return file_service_pb2.ListFilesResponse(files=page, next_page_token=token)

    async def UpdateFile(
        self, request: file_service_pb2.UpdateFileRequest, context: Context
    ) -> file_service_pb2.UpdateFileResponse:
        try:
            owner = self._begin(context, "UpdateFile", request.user_id)
            file = self._state.find(owner, request.file_id, "").file
            if request.HasField("if_generation_match") and request.if_generation_match != file.generation:
                raise errors.PreconditionFailed("Another generation.")
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        if request.HasField("filename"):
            file.filename = request.filename
        if request.HasField("visibility"):
            file.visibility = request.visibility
        if request.replace_metadata:
            file.metadata.clear()
            file.metadata.update(request.metadata)
        file.generation += 1
        return file_service_pb2.UpdateFileResponse(file=file)

    async def UndeleteFile(
        self, request: file_service_pb2.UndeleteFileRequest, context: Context
    ) -> file_service_pb2.UndeleteFileResponse:
        try:
            owner = self._begin(context, "UndeleteFile", request.user_id)
            file = self._state.find(owner, request.file_id, "", show_deleted=True).file
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        file.ClearField("delete_time")
        file.ClearField("purge_time")
        return file_service_pb2.UndeleteFileResponse(file=file)


class FakeUsage(UsageServiceServicer):
    """Usage."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def GetUsage(
        self, request: usage_service_pb2.GetUsageRequest, context: Context
    ) -> usage_service_pb2.GetUsageResponse:
        self._state.calls.append("GetUsage")
        try:
            raise_fault(self._state.take(self._state.unary_faults))
            owner = self._state.owner(metadata_of(context), request.user_id)
        except errors.StrongroomError as error:
            await refuse(context, error)
            raise
        files = [one.file for one in self._state.stored.values() if one.file.owner_id == owner]
        usage = usage_service_pb2.Usage(
            owner_id=owner,
            used_bytes=sum(file.size_bytes for file in files),
            file_count=len(files),
            limit_bytes=self._state.limit_bytes,
        )
        return usage_service_pb2.GetUsageResponse(usage=usage)
