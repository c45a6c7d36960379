"""DiagnosticsService with answers set by the test."""

from __future__ import annotations

from strongroom.storage.v1 import diagnostics_service_pb2 as pb
from strongroom.storage.v1.diagnostics_service_pb2_grpc import DiagnosticsServiceServicer
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.fakes.storage import Context


class FakeDiagnostics(DiagnosticsServiceServicer):
    """Answers with ``state.internal_call``, and with a clock that is ``state.clock_ahead`` seconds ahead."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def Diagnose(self, request: pb.DiagnoseRequest, context: Context) -> pb.DiagnoseResponse:
        response = pb.DiagnoseResponse(internal=self._state.internal_call, bucket=self._state.bucket)
        response.time.GetCurrentTime()
        response.time.seconds += self._state.clock_ahead
        return response
