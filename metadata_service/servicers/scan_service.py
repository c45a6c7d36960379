"""metadata.v1.ScanService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.scanning import Scanning
from strongroom.metadata.v1 import scan_service_pb2 as pb
from strongroom.metadata.v1.scan_service_pb2_grpc import ScanServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class ScanServicer(ScanServiceServicer):
    """Converts requests and responses."""

    def __init__(self, scanning: Scanning) -> None:
        self._scanning = scanning

    async def TakeStock(self, request: pb.TakeStockRequest, context: Context) -> pb.TakeStockResponse:
        return pb.TakeStockResponse(cursor=await self._scanning.take_stock(request.cursor, request.limit))

    async def ClaimScans(self, request: pb.ClaimScansRequest, context: Context) -> pb.ClaimScansResponse:
        contents = await self._scanning.claim(request.database, request.limit)
        return pb.ClaimScansResponse(contents=contents)

    async def ReportScans(self, request: pb.ReportScansRequest, context: Context) -> pb.ReportScansResponse:
        await self._scanning.report(request.contents)
        return pb.ReportScansResponse()

    async def ReportRefusal(
        self, request: pb.ReportRefusalRequest, context: Context
    ) -> pb.ReportRefusalResponse:
        await self._scanning.refused(request)
        return pb.ReportRefusalResponse()
