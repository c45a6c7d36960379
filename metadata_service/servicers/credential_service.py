"""metadata.v1.CredentialService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from strongroom.metadata.v1 import credential_service_pb2 as pb
from strongroom.metadata.v1.credential_service_pb2_grpc import CredentialServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class CredentialServicer(CredentialServiceServicer):
    """Reaching this servicer proves that the credential is accepted; it only adds this process's time."""

    async def CheckCredential(
        self, request: pb.CheckCredentialRequest, context: Context
    ) -> pb.CheckCredentialResponse:
        response = pb.CheckCredentialResponse()
        response.time.GetCurrentTime()
        return response
