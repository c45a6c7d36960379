"""RestorationService: makes files from objects that a restored database doesn't know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import restoration_service_pb2 as pb
from strongroom.metadata.v1.restoration_pb2 import ObjectDescription, StoredObject
from strongroom.metadata.v1.restoration_service_pb2_grpc import RestorationServiceStub

MOST_OBJECTS: Final = 1000
CALL_SECONDS: Final = 25.0


class Restorations(MetadataClient):
    """Changes the database's rows after a restore."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = RestorationServiceStub(channel)

    async def describe(self, objects: Sequence[StoredObject]) -> list[ObjectDescription]:
        """Return one description per object, in order, read from its own metadata."""
        said: list[ObjectDescription] = []
        for at in range(0, len(objects), MOST_OBJECTS):
            request = pb.DescribeObjectsRequest(objects=objects[at : at + MOST_OBJECTS])
            said += (await self._step(self._stub.DescribeObjects, request, CALL_SECONDS)).objects
        return said

    async def adopt(self, found: StoredObject) -> pb.AdoptObjectResponse:
        """Make a file of the object and return it. Raises StrongroomError with the reason if nothing was
        changed.
        """
        return await self._step(self._stub.AdoptObject, pb.AdoptObjectRequest(object=found), CALL_SECONDS)

    async def relink(self, rows: Sequence[pb.MovedRow]) -> int:
        """Change the object that rows refer to. Return how many rows were changed."""
        changed = 0
        for at in range(0, len(rows), MOST_OBJECTS):
            request = pb.RelinkRowsRequest(rows=rows[at : at + MOST_OBJECTS])
            changed += (await self._step(self._stub.RelinkRows, request, CALL_SECONDS)).changed
        return changed
