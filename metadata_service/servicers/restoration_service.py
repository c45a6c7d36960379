"""metadata.v1.RestorationService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.restoring.adoption import Adopter
from metadata_service.restoring.relinking import Relinker
from strongroom.metadata.v1 import restoration_service_pb2 as pb
from strongroom.metadata.v1.restoration_service_pb2_grpc import RestorationServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class RestorationServicer(RestorationServiceServicer):
    """Converts requests and responses."""

    def __init__(self, adopter: Adopter, relinker: Relinker) -> None:
        self._adopter = adopter
        self._relinker = relinker

    async def DescribeObjects(
        self, request: pb.DescribeObjectsRequest, context: Context
    ) -> pb.DescribeObjectsResponse:
        return pb.DescribeObjectsResponse(
            objects=[self._adopter.describe(found) for found in request.objects]
        )

    async def AdoptObject(self, request: pb.AdoptObjectRequest, context: Context) -> pb.AdoptObjectResponse:
        adopted = await self._adopter.adopt(request.object)
        return pb.AdoptObjectResponse(file=adopted.file, already=adopted.already)

    async def RelinkRows(self, request: pb.RelinkRowsRequest, context: Context) -> pb.RelinkRowsResponse:
        return pb.RelinkRowsResponse(changed=await self._relinker.relink(request.rows))
