"""CredentialService: checks whether metadata_service accepts this service's credential."""

from __future__ import annotations

from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1.credential_service_pb2 import CheckCredentialRequest, CheckCredentialResponse
from strongroom.metadata.v1.credential_service_pb2_grpc import CredentialServiceStub

CALL_SECONDS: Final = 3.0


class Credentials(MetadataClient):
    """Checks the internal credential."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._credentials = CredentialServiceStub(channel)

    async def check(self) -> CheckCredentialResponse:
        """Return the time of metadata_service's clock. Raises InternalTokenInvalid {cause, seconds}."""
        return await self._step(self._credentials.CheckCredential, CheckCredentialRequest(), CALL_SECONDS)
