"""One client's channels, and the parts common to all calls: token, request id, deadline, typed errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar
from uuid import uuid4

import grpc

from strongroom import errors
from strongroom.channel_pool import Method
from strongroom.client.channels import make_channel
from strongroom.client.paging import Page, all_pages
from strongroom.client.queries import QUERY_PATHS
from strongroom.client.retries import Attempts, Deadline
from strongroom.client.settings import ClientSettings
from strongroom.client.tokens import Tokens
from strongroom.field_names import PYTHON_NAMES, with_callers_names
from strongroom.metadata.v1 import (
    admin_service_pb2_grpc,
    event_media_service_pb2_grpc,
    file_service_pb2_grpc,
    generation_service_pb2_grpc,
    notification_service_pb2_grpc,
    project_service_pb2_grpc,
    retention_service_pb2_grpc,
    share_service_pb2_grpc,
    usage_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from strongroom.storage.v1 import (
    diagnostics_service_pb2_grpc,
    restore_pb2_grpc,
    storage_service_pb2_grpc,
    verify_pb2_grpc,
)
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import DownloadChunk, UploadChunk, decode_download, encode_upload

if TYPE_CHECKING:
    from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from strongroom.metadata.v1.event_media_service_pb2_grpc import EventMediaServiceAsyncStub
    from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceAsyncStub
    from strongroom.metadata.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub
    from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub
    from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceAsyncStub
    from strongroom.metadata.v1.retention_service_pb2_grpc import RetentionServiceAsyncStub
    from strongroom.metadata.v1.share_service_pb2_grpc import ShareServiceAsyncStub
    from strongroom.metadata.v1.usage_service_pb2_grpc import UsageServiceAsyncStub
    from strongroom.metadata.v1.webhook_service_pb2_grpc import WebhookServiceAsyncStub
    from strongroom.storage.v1.diagnostics_service_pb2_grpc import DiagnosticsServiceAsyncStub
    from strongroom.storage.v1.restore_pb2_grpc import RestoreServiceAsyncStub
    from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceAsyncStub
    from strongroom.storage.v1.verify_pb2_grpc import VerifyServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class PageRequest(Protocol):
    """A request for one page of a list."""

    page_token: str


Asked = TypeVar("Asked", bound=PageRequest)
Answered = TypeVar("Answered", bound=Page)
Metadata = tuple[tuple[str, str], ...]
Kind: TypeAlias = Literal["calls", "transfers", "watches"]


class Connection:
    """Channels to storage_service and metadata_service, opened at the first call.

    Belongs to the event loop of its first call; safe for any number of tasks of that loop.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.tokens = Tokens(settings.token)
        self._channels: dict[tuple[str, Kind], grpc.aio.Channel] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def storage(self) -> StorageServiceAsyncStub:
        """Calls of storage_service that are short."""
        return storage_service_pb2_grpc.StorageServiceStub(self.channel(self.settings.storage_address))

    @property
    def transfers(self) -> StorageServiceAsyncStub:
        """Calls of storage_service that last as long as bytes are transferred."""
        return storage_service_pb2_grpc.StorageServiceStub(self._transfers())

    @property
    def diagnostics(self) -> DiagnosticsServiceAsyncStub:
        """Diagnostics of storage_service."""
        return diagnostics_service_pb2_grpc.DiagnosticsServiceStub(
            self.channel(self.settings.storage_address)
        )

    @property
    def upload(self) -> grpc.aio.StreamUnaryMultiCallable[UploadRequest | UploadChunk, UploadResponse]:
        """``StorageService.Upload`` with data messages that skip protobuf's copies."""
        return self._transfers().stream_unary(
            "/strongroom.storage.v1.StorageService/Upload",
            request_serializer=encode_upload,
            response_deserializer=UploadResponse.FromString,
        )

    @property
    def upload_at_once(self) -> grpc.aio.UnaryUnaryMultiCallable[UploadRequest, UploadResponse]:
        """``Upload`` with the whole request in one message.

        On the wire a stream of one message equals a unary call (gRPC over HTTP/2, Length-Prefixed-Message);
        as such it takes one step of gRPC's core instead of four.
        """
        return self._transfers().unary_unary(
            "/strongroom.storage.v1.StorageService/Upload",
            request_serializer=encode_upload,
            response_deserializer=UploadResponse.FromString,
        )

    @property
    def download(
        self,
    ) -> grpc.aio.UnaryStreamMultiCallable[DownloadRequest, DownloadResponse | DownloadChunk]:
        """``StorageService.Download`` with data messages that skip protobuf's copies."""
        return self._transfers().unary_stream(
            "/strongroom.storage.v1.StorageService/Download",
            request_serializer=DownloadRequest.SerializeToString,
            response_deserializer=decode_download,
        )

    @property
    def files(self) -> FileServiceAsyncStub:
        """Queries over files."""
        return file_service_pb2_grpc.FileServiceStub(self.channel(self.settings.metadata_address))

    @property
    def usages(self) -> UsageServiceAsyncStub:
        """Usage and limits."""
        return usage_service_pb2_grpc.UsageServiceStub(self.channel(self.settings.metadata_address))

    @property
    def generations(self) -> GenerationServiceAsyncStub:
        """Queries over generations."""
        return generation_service_pb2_grpc.GenerationServiceStub(self.channel(self.settings.metadata_address))

    @property
    def event_media(self) -> EventMediaServiceAsyncStub:
        """Queries over and edits of event media."""
        return event_media_service_pb2_grpc.EventMediaServiceStub(
            self.channel(self.settings.metadata_address)
        )

    @property
    def projects(self) -> ProjectServiceAsyncStub:
        """Queries over projects."""
        return project_service_pb2_grpc.ProjectServiceStub(self.channel(self.settings.metadata_address))

    @property
    def notifications(self) -> NotificationServiceAsyncStub:
        """Live events."""
        return notification_service_pb2_grpc.NotificationServiceStub(
            self.channel(self.settings.metadata_address, "watches")
        )

    @property
    def webhooks(self) -> WebhookServiceAsyncStub:
        """Webhooks and their deliveries."""
        return webhook_service_pb2_grpc.WebhookServiceStub(self.channel(self.settings.metadata_address))

    @property
    def retention(self) -> RetentionServiceAsyncStub:
        """How long files and projects stay."""
        return retention_service_pb2_grpc.RetentionServiceStub(self.channel(self.settings.metadata_address))

    @property
    def shares(self) -> ShareServiceAsyncStub:
        """The caller's shares."""
        return share_service_pb2_grpc.ShareServiceStub(self.channel(self.settings.metadata_address))

    @property
    def verifications(self) -> VerifyServiceAsyncStub:
        """Verification, for admins."""
        return verify_pb2_grpc.VerifyServiceStub(self.channel(self.settings.storage_address))

    @property
    def admin(self) -> AdminServiceAsyncStub:
        """Operations for admins."""
        return admin_service_pb2_grpc.AdminServiceStub(self.channel(self.settings.metadata_address))

    @property
    def restores(self) -> RestoreServiceAsyncStub:
        """Work after a restore of the database, for admins."""
        return restore_pb2_grpc.RestoreServiceStub(self.channel(self.settings.storage_address))

    @property
    def repairs(self) -> VerifyServiceAsyncStub:
        """Calls of verification that take long, for admins."""
        return verify_pb2_grpc.VerifyServiceStub(self._transfers())

    def _transfers(self) -> grpc.aio.Channel:
        return self.channel(self.settings.storage_address, "transfers")

    def channel(self, address: str, kind: Kind = "calls") -> grpc.aio.Channel:
        """Return the channels to an address for one kind of call.

        Short calls never share a connection with those that may last.

        :raises RuntimeError: after close, or in another event loop than before.
        """
        if self._closed:
            raise RuntimeError("this client is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise RuntimeError(
                "an AsyncClient belongs to the event loop of its first call; "
                "make one per loop, or use strongroom.Client, which any thread may call"
            )
        self._loop = loop
        found = self._channels.get((address, kind))
        if found is None:
            found = self._channels[address, kind] = make_channel(address, self.settings)
        return found

    async def metadata(self) -> Metadata:
        """Return the metadata of one call: a new request id, and the token if there is one."""
        request_id = ("x-request-id", str(uuid4()))
        token = await self.tokens.current()
        return (request_id,) if token is None else (request_id, ("authorization", f"Bearer {token}"))

    def attempts(self, deadline: Deadline, *, safe: bool = True) -> Attempts:
        """Return the retries of one operation. With ``safe`` False only refusals of a token or by a limit are
        retried.
        """
        return Attempts(self.settings.retry, self.tokens, deadline, safe=safe)

    async def unary(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: float | None = None,
        safe: bool | None = None,
    ) -> Response:
        """Call ``method`` within ``timeout`` seconds (None: the client's default) and return its response.

        ``safe``: whether to repeat the call after a failure; None: if it is a query. Others are safe with a
        request_id, or if they set a given value. Refusals by a limit are always retried.

        :raises StrongroomError: typed by the reason that the service gave.
        """
        deadline = Deadline(self.settings.timeout if timeout is None else timeout)
        if safe is None:
            safe = isinstance(method, Method) and method.path in QUERY_PATHS
        attempts = self.attempts(deadline, safe=safe)
        while True:
            metadata = await self.metadata()
            try:
                return await method(request, metadata=metadata, timeout=deadline.remaining())
            except grpc.aio.AioRpcError as error:
                await attempts.pause(typed(error, metadata))

    async def pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Asked, Answered],
        request: Asked,
    ) -> AsyncGenerator[Answered]:
        """All pages of a list, each asked for by ``request`` with another page token, as by ``unary``."""

        async def ask(token: str) -> Answered:
            request.page_token = token
            return await self.unary(method, request)

        async for page in all_pages(ask):
            yield page

    async def close(self) -> None:
        """Close the channels; calls in progress are cancelled. Can be called repeatedly."""
        self._closed = True
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()


def typed(error: grpc.aio.AioRpcError, metadata: Metadata) -> errors.StrongroomError:
    """Return the typed error of a failed call. Its traceback shows gRPC's own text, if gRPC failed, and the
    request id, which is in the services' logs.
    """
    found = with_callers_names(errors.from_rpc_error(error), PYTHON_NAMES)
    found.__cause__ = error
    if found.transport_details:  # says which address, and what happened there
        found.add_note(f"gRPC: {found.transport_details}")
    found.add_note(f"request id: {dict(metadata)['x-request-id']}")
    return found
