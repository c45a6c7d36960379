"""Deleting files: D1 in the database; the cleaner removes the object after the read grace."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from storage_service.metadata.interfaces import Deletions
from strongroom.errors import StrongroomError, to_status_proto
from strongroom.metadata.v1 import reservation_service_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.batch_pb2 import BatchDeleteRequest, DeleteFileRequest


class Deleter:
    """The use case; one instance per process."""

    def __init__(self, deletions: Deletions) -> None:
        self._deletions = deletions

    async def delete(self, request: DeleteFileRequest) -> File:
        """Raises FileNotFound, PreconditionFailed."""
        reservation = reservation_service_pb2.DeleteFileRequest(
            soft=request.soft, user_id=request.user_id, family=request.family
        )
        if request.HasField("file_id"):
            reservation.file_id = request.file_id
        else:
            reservation.key = request.key
        if request.HasField("if_generation_match"):
            reservation.if_generation_match = request.if_generation_match
        return (await self._deletions.delete_file(reservation)).file

    async def delete_many(self, request: BatchDeleteRequest) -> list[Status]:
        """One status per file, in the order given; one failure spoils no other."""
        results = []
        for file_id in request.file_ids:
            try:
                await self.delete(DeleteFileRequest(file_id=file_id, user_id=request.user_id))
            except StrongroomError as error:
                results.append(to_status_proto(error))
            else:
                results.append(Status())
        return results
