"""metadata_service as a real server in the test's loop, and callers with real tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import jwt
from grpc import aio
from pydantic import SecretStr

from metadata_service.bootstrap import Application
from metadata_service.config import MetadataSettings
from servicekit.auth.credentials import InternalCredential
from servicekit.serving.server import serve_in_process
from strongroom.errors import StrongroomError, from_rpc_error
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle, CommitRequest, ReserveRequest
from strongroom.metadata.v1.reservation_service_pb2_grpc import ReservationServiceStub
from strongroom.metadata.v1.usage_service_pb2_grpc import UsageServiceStub
from tests.databases import Logins
from tests.integration.metadata_service.world import CRC, SINGLE, plain_spec

JWT_SECRET: Final = "metadata-tests-jwt-secret-0123456789"
INTERNAL_SECRET: Final = "metadata-tests-internal-secret-012345"


@dataclass(frozen=True)
class Caller:
    """A caller with a token, or without `token` an anonymous one; `internal`: calls as one of Strongroom's
    services.
    """

    channel: aio.Channel
    token: str = ""
    internal: str = ""

    async def call(self, stub: type[Any], method: str, request: Any) -> Any:
        """Make a call. Raises StrongroomError."""
        pairs = [("authorization", f"Bearer {self.token}")] if self.token else []
        pairs += [("x-strongroom-internal", self.internal)] if self.internal else []
        try:
            return await getattr(stub(self.channel), method)(request, metadata=tuple(pairs), timeout=60)
        except aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def files(self, method: str, request: Any) -> Any:
        """FileService."""
        return await self.call(FileServiceStub, method, request)

    async def usage(self, method: str, request: Any) -> Any:
        """UsageService."""
        return await self.call(UsageServiceStub, method, request)

    async def reservations(self, method: str, request: Any) -> Any:
        """ReservationService."""
        return await self.call(ReservationServiceStub, method, request)

    async def upload(self, **spec: Any) -> File:
        """T1 and T4, as storage_service makes them for this caller."""
        request = ReserveRequest(spec=plain_spec(**spec), kind=SINGLE)
        blob = (await self.reservations("Reserve", request)).blob
        handle = BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)
        commit = CommitRequest(blob=handle, size_bytes=10, crc32c=CRC, etag="e")
        file: File = (await self.reservations("Commit", commit)).file
        return file


@dataclass(frozen=True)
class Server:
    """A running server."""

    channel: aio.Channel

    def user(self, sub: str, *, internal: bool = True, **claims: Any) -> Caller:
        """A user who calls through storage_service, or (without `internal`) directly."""
        now = int(time.time())
        token = jwt.encode(
            {"sub": sub, "iat": now, "exp": now + 600, **claims}, JWT_SECRET, algorithm="HS256"
        )
        return Caller(self.channel, token, InternalCredential(INTERNAL_SECRET).mint() if internal else "")

    def service(self) -> Caller:
        """storage_service without a user."""
        return Caller(self.channel, internal=InternalCredential(INTERNAL_SECRET).mint())


@asynccontextmanager
async def serve(logins: Logins, **settings: Any) -> AsyncIterator[Server]:
    """Serve the whole application on a free port."""
    made = MetadataSettings(
        database_url=SecretStr(logins.app),
        jwt_secret=SecretStr(JWT_SECRET),
        internal_secret=SecretStr(INTERNAL_SECRET),
        metadata_bind="127.0.0.1:0",
        **settings,
    )
    application = Application(made)
    async with (
        serve_in_process(application.spec, made, application.lifespan()) as address,
        aio.insecure_channel(address) as channel,
    ):
        yield Server(channel)


async def refusal(call: Any) -> StrongroomError:
    """The error that a call ends with."""
    try:
        await call
    except StrongroomError as error:
        return error
    raise AssertionError("the call was not refused")
