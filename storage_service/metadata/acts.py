"""AdminService: what an admin begins here is written down there first."""

from __future__ import annotations

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1.admin_service_pb2 import NoteActRequest
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub


class Acts(MetadataClient):
    """Notes acts of the caller of the request in progress."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = AdminServiceStub(channel)

    async def note(self, act: str, about: str = "", **details: str) -> None:
        """Before anything is done: what can't be written down does not happen. ``about``: the user, of an act
        about one. Raises PermissionDenied for others than admins.
        """
        await self._ask(self._stub.NoteAct, NoteActRequest(act=act, details=details, user_id=about))
