"""DeleteFile and BatchDelete: deletions of one or many files, carried out by metadata_service."""

from __future__ import annotations

import asyncio
from typing import Final

from google.rpc.status_pb2 import Status

from storage_service.metadata.reservations import Reservations
from strongroom.errors import InvalidField, StrongroomError, to_status_proto
from strongroom.metadata.v1.reservation_service_pb2 import DeleteFileRequest
from strongroom.storage.v1 import batch_pb2

MOST: Final = 1000
#: Deletions of one batch in progress at a time; each is a transaction.
AT_ONCE: Final = 8


class Deletions:
    """Deletes files with the caller's rights."""

    def __init__(self, reservations: Reservations) -> None:
        self._reservations = reservations

    async def one(self, request: batch_pb2.DeleteFileRequest) -> batch_pb2.DeleteFileResponse:
        """Delete one file. Raises FileNotFound, PreconditionFailed."""
        deletion = DeleteFileRequest(soft=request.soft, user_id=request.user_id, family=request.family)
        if request.HasField("file_id"):
            deletion.file_id = request.file_id
        else:
            deletion.key = request.key
        if request.HasField("if_generation_match"):
            deletion.if_generation_match = request.if_generation_match
        deleted = await self._reservations.delete_file(deletion)
        return batch_pb2.DeleteFileResponse(file=deleted.file)

    async def many(self, request: batch_pb2.BatchDeleteRequest) -> batch_pb2.BatchDeleteResponse:
        """Delete up to ``MOST`` files. Return one status per file in the given order; failures are
        independent.

        Raises InvalidField for none or too many files.
        """
        count = len(request.file_ids) + len(request.keys)
        if not 1 <= count <= MOST:
            raise InvalidField(f"Name 1 to {MOST:,} files, not {count:,}.", field="file_ids", rule="count")
        waiting = [DeleteFileRequest(file_id=one) for one in request.file_ids]
        waiting += [DeleteFileRequest(key=one) for one in request.keys]
        for deletion in waiting:
            deletion.soft, deletion.user_id = request.soft, request.user_id
        results: list[Status] = []
        for start in range(0, len(waiting), AT_ONCE):
            results += await asyncio.gather(*map(self._status, waiting[start : start + AT_ONCE]))
        return batch_pb2.BatchDeleteResponse(results=results)

    async def _status(self, deletion: DeleteFileRequest) -> Status:
        try:
            await self._reservations.delete_file(deletion)
        except StrongroomError as error:
            return to_status_proto(error)
        return Status()
