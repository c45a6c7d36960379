"""AdminService, OperationsService, CredentialService: operators' acts, and reports of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import operations_service_pb2 as pb
from strongroom.metadata.v1.admin_service_pb2 import NoteActRequest
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from strongroom.metadata.v1.credential_service_pb2 import CheckCredentialRequest, CheckCredentialResponse
from strongroom.metadata.v1.credential_service_pb2_grpc import CredentialServiceStub
from strongroom.metadata.v1.operations_service_pb2_grpc import OperationsServiceStub
from strongroom.metadata.v1.replica_pb2 import Replica

_CHECK_SECONDS: Final = 3.0


class Acts(MetadataClient):
    """Records acts of the caller of the request in progress."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._admin = AdminServiceStub(channel)
        self._stub = OperationsServiceStub(channel)

    async def note(self, act: str, about: str = "", **details: str) -> None:
        """Record an act before it is done; if that fails, the act must not be done.

        ``about``: the user whom the act concerns, if any. Raises PermissionDenied unless the caller is an
        admin.
        """
        await self._ask(self._admin.NoteAct, NoteActRequest(act=act, details=details, user_id=about))

    async def begin(
        self, act: str, token: str, details: Mapping[str, str], *, about: str, changes_objects: bool
    ) -> float:
        """Record the beginning of an act that takes a while. Return the lease in seconds.

        Raises ActInProgress, PermissionDenied.
        """
        request = pb.BeginActRequest(
            act=act, token=token, details=details, user_id=about, changes_objects=changes_objects
        )
        return (await self._ask(self._stub.BeginAct, request)).lease_seconds

    async def renew(self, token: str) -> float:
        """Renew the lease and return it in seconds. Raises UploadSuperseded."""
        return (await self._step(self._stub.RenewAct, pb.RenewActRequest(token=token))).lease_seconds

    async def end(self, request: pb.EndActRequest) -> None:
        """Record the outcome of an act. May be repeated."""
        await self._step(self._stub.EndAct, request)


class Operations(MetadataClient):
    """Reports this process to operators."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = OperationsServiceStub(channel)

    async def report_replica(self, replica: Replica, instance: str) -> bool:
        """Report the state of this process. Return whether it should drain."""
        request = pb.ReportReplicaRequest(replica=replica, instance=instance)
        return (await self._step(self._stub.ReportReplica, request)).drain


class Credentials(MetadataClient):
    """Checks the internal credential."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._credentials = CredentialServiceStub(channel)

    async def check(self) -> CheckCredentialResponse:
        """Return the time of metadata_service's clock. Raises InternalTokenInvalid {cause, seconds}."""
        return await self._step(self._credentials.CheckCredential, CheckCredentialRequest(), _CHECK_SECONDS)
