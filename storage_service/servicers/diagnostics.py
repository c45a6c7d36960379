"""DiagnosticsService over gRPC."""

from __future__ import annotations

import grpc

from storage_service.diagnosis import InternalCalls
from strongroom.storage.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc

Context = grpc.aio.ServicerContext


class DiagnosticsServicer(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """See strongroom/storage/v1/diagnostics_service.proto."""

    def __init__(self, calls: InternalCalls) -> None:
        self._calls = calls

    async def Diagnose(
        self,
        request: diagnostics_service_pb2.DiagnoseRequest,
        context: Context[diagnostics_service_pb2.DiagnoseRequest, diagnostics_service_pb2.DiagnoseResponse],
    ) -> diagnostics_service_pb2.DiagnoseResponse:
        return await self._calls.diagnose()
