"""gRPC calls of the gateway: made as the caller, with a deadline, and cancelled when the client
disconnects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from grpc import aio

from gateway.http.exchange import Exchange
from gateway.http.problems import REST_NAMES
from servicekit.context import outgoing_metadata
from strongroom.errors import (
    Cancelled,
    DeadlineExceeded,
    InternalTokenInvalid,
    ServiceUnavailable,
    StrongroomError,
    from_rpc_error,
)
from strongroom.field_names import with_callers_names
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from strongroom.metadata.v1.event_media_service_pb2_grpc import EventMediaServiceStub
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from strongroom.metadata.v1.generation_service_pb2_grpc import GenerationServiceStub
from strongroom.metadata.v1.notification_service_pb2 import (
    WatchAllRequest,
    WatchAllResponse,
    WatchRequest,
    WatchResponse,
)
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceStub
from strongroom.metadata.v1.project_service_pb2_grpc import ProjectServiceStub
from strongroom.metadata.v1.retention_service_pb2_grpc import RetentionServiceStub
from strongroom.metadata.v1.share_service_pb2_grpc import ShareServiceStub
from strongroom.metadata.v1.usage_service_pb2_grpc import UsageServiceStub
from strongroom.metadata.v1.webhook_service_pb2_grpc import WebhookServiceStub
from strongroom.sending import Message
from strongroom.storage.v1 import storage_service_pb2
from strongroom.storage.v1.direct_pb2 import ImportFromUrlRequest, ImportFromUrlResponse
from strongroom.storage.v1.download_pb2 import (
    DownloadArchiveRequest,
    DownloadArchiveResponse,
    DownloadRequest,
    DownloadResponse,
)
from strongroom.storage.v1.guest_pb2 import (
    DownloadSharedArchiveRequest,
    DownloadSharedArchiveResponse,
    DownloadSharedRequest,
    DownloadSharedResponse,
    DropFileResponse,
)
from strongroom.storage.v1.guest_pb2_grpc import GuestServiceStub
from strongroom.storage.v1.link_pb2 import DownloadLinkRequest, DownloadLinkResponse
from strongroom.storage.v1.preview_pb2 import DownloadPreviewRequest, DownloadPreviewResponse
from strongroom.storage.v1.preview_pb2_grpc import PreviewServiceStub
from strongroom.storage.v1.project_pb2 import SaveProjectArchiveResponse, SaveProjectResponse
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.storage.v1.verify_pb2_grpc import VerifyServiceStub
from strongroom.wire import DownloadChunk, decode_download, decode_link, encode_upload

if TYPE_CHECKING:  # these exist only in the stubs
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
    from strongroom.storage.v1.guest_pb2_grpc import GuestServiceAsyncStub
    from strongroom.storage.v1.preview_pb2_grpc import PreviewServiceAsyncStub
    from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceAsyncStub
    from strongroom.storage.v1.verify_pb2_grpc import VerifyServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")

DownloadMessage = DownloadResponse | DownloadChunk
LinkMessage = DownloadLinkResponse | DownloadChunk
DownloadCall = aio.UnaryStreamCall[DownloadRequest, DownloadMessage]

#: Seconds to wait for a stream's first message. The services give up what they wait for themselves before
#: that.
FIRST_SECONDS: Final = 9.5
RETRY_SECONDS: Final = 2.0

_STORAGE: Final = "/" + storage_service_pb2.DESCRIPTOR.services_by_name["StorageService"].full_name


def _of_bytes(
    channel: aio.Channel, method: str, read: Callable[[bytes], Response]
) -> aio.StreamUnaryMultiCallable[bytes, Response]:
    """A client-streaming method whose messages are passed as encoded bytes."""
    rpc: aio.StreamUnaryMultiCallable[bytes, Response] = channel.stream_unary(
        method, request_serializer=bytes, response_deserializer=read
    )
    return rpc


class Backend:
    """One service behind the gateway.

    ``channel``: for small calls; ``apart``: channels for other calls; ``seconds``: deadline of a unary call.
    """

    def __init__(self, name: str, channel: aio.Channel, *apart: aio.Channel, seconds: float) -> None:
        self.name = name
        self.channel = channel
        self.channels = (channel, *apart)
        self.seconds = seconds

    async def unary(
        self,
        exchange: Exchange,
        method: aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        seconds: float | None = None,
    ) -> Response:
        """Make a unary call as the caller of ``exchange``.

        :raises StrongroomError: the service's error.
        :raises ClientGone: the client disconnected; the call is cancelled.
        """
        rpc: Any = method(
            request, timeout=seconds or self.seconds, metadata=outgoing_metadata(exchange.principal)
        )
        try:
            with exchange.client.cancels(rpc):
                response: Response = await rpc
        except aio.AioRpcError as error:
            raise self.error(error) from None
        return response

    async def first(self, rpc: Any) -> Any:
        """The first message of a stream; ``aio.EOF`` if there is none.

        :raises AioRpcError: the call failed.
        :raises ServiceUnavailable: nothing came in time; the call is cancelled.
        """
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                return await rpc.read()
        except TimeoutError:
            rpc.cancel()
            raise self.silent() from None

    def silent(self) -> ServiceUnavailable:
        """The error for a service that has not answered in time."""
        return ServiceUnavailable(
            f"{self.name} did not answer in time; try again.",
            retry_after=RETRY_SECONDS,
            metadata={"service": self.name},
        )

    def error(self, error: aio.AioRpcError) -> StrongroomError:
        """The typed exception for a failed call. A call that the service cancelled itself, because it is
        stopping, may be repeated.
        """
        found = with_callers_names(from_rpc_error(error), REST_NAMES)
        if isinstance(found, Cancelled):
            found = ServiceUnavailable(f"{self.name} is stopping; try again.", retry_after=1.0)
        if isinstance(found, DeadlineExceeded) and "limit_seconds" not in found.metadata:
            found = self.silent()  # our own deadline: HTTP callers have none
        if isinstance(found, InternalTokenInvalid):
            found.metadata.clear()  # the cause is for the operator
        if isinstance(found, ServiceUnavailable):
            found.metadata.setdefault("service", self.name)
        return found


class Storage(Backend):
    """storage_service.

    ``transfers``: channel of calls that move bytes, separate from the small ones; ``transfer_seconds``: their
    deadline.
    """

    def __init__(
        self, channel: aio.Channel, transfers: aio.Channel, *, seconds: float, transfer_seconds: float
    ) -> None:
        super().__init__("storage_service", channel, transfers, seconds=seconds)
        self._transfer_seconds = transfer_seconds
        self.stub: StorageServiceAsyncStub = StorageServiceStub(channel)
        self.transfers: StorageServiceAsyncStub = StorageServiceStub(transfers)
        self.guests: GuestServiceAsyncStub = GuestServiceStub(channel)
        self.verification: VerifyServiceAsyncStub = VerifyServiceStub(channel)
        self._shared: GuestServiceAsyncStub = GuestServiceStub(transfers)
        self._previews: PreviewServiceAsyncStub = PreviewServiceStub(transfers)
        self._upload: aio.StreamUnaryMultiCallable[Message, UploadResponse] = transfers.stream_unary(
            f"{_STORAGE}/Upload",
            request_serializer=encode_upload,
            response_deserializer=UploadResponse.FromString,
        )
        # On the wire, a stream of one message is a unary call. Made as a unary call it costs a third (one
        # batch of operations instead of five).
        self._upload_whole: aio.UnaryUnaryMultiCallable[UploadRequest, UploadResponse] = (
            transfers.unary_unary(
                f"{_STORAGE}/Upload",
                request_serializer=UploadRequest.SerializeToString,
                response_deserializer=UploadResponse.FromString,
            )
        )
        self._download: aio.UnaryStreamMultiCallable[DownloadRequest, DownloadMessage] = (
            transfers.unary_stream(
                f"{_STORAGE}/Download",
                request_serializer=DownloadRequest.SerializeToString,
                response_deserializer=decode_download,
            )
        )
        self._link: aio.UnaryStreamMultiCallable[DownloadLinkRequest, LinkMessage] = transfers.unary_stream(
            "/strongroom.storage.v1.LinkService/DownloadLink",
            request_serializer=DownloadLinkRequest.SerializeToString,
            response_deserializer=decode_link,
        )
        self._drop = _of_bytes(
            transfers, "/strongroom.storage.v1.GuestService/DropFile", DropFileResponse.FromString
        )
        self._save_project = _of_bytes(transfers, f"{_STORAGE}/SaveProject", SaveProjectResponse.FromString)
        self._save_archive = _of_bytes(
            transfers, f"{_STORAGE}/SaveProjectArchive", SaveProjectArchiveResponse.FromString
        )

    def upload(self, exchange: Exchange) -> aio.StreamUnaryCall[Message, UploadResponse]:
        """Begin ``Upload``; messages are written as bytes or chunks (``gateway.upstream.pump``)."""
        return self._upload(timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal))

    async def upload_whole(self, exchange: Exchange, message: UploadRequest) -> UploadResponse:
        """``Upload`` of a file that fits into one message, with its spec and finish_write.

        :raises StrongroomError: the service's error.
        :raises ClientGone: the client disconnected; nothing is committed.
        """
        return await self.unary(exchange, self._upload_whole, message, seconds=self._transfer_seconds)

    def save_project(self, exchange: Exchange) -> aio.StreamUnaryCall[bytes, SaveProjectResponse]:
        """Begin ``SaveProject``; messages are written as bytes (``gateway.upstream.pump``)."""
        return self._save_project(
            timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal)
        )

    def save_project_archive(
        self, exchange: Exchange
    ) -> aio.StreamUnaryCall[bytes, SaveProjectArchiveResponse]:
        """Begin ``SaveProjectArchive``; messages are written as bytes."""
        return self._save_archive(
            timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal)
        )

    def download_archive(
        self, exchange: Exchange, request: DownloadArchiveRequest
    ) -> aio.UnaryStreamCall[DownloadArchiveRequest, DownloadArchiveResponse]:
        """Begin ``DownloadArchive``."""
        return self.transfers.DownloadArchive(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal)
        )

    def download_preview(
        self, request: DownloadPreviewRequest
    ) -> aio.UnaryStreamCall[DownloadPreviewRequest, DownloadPreviewResponse]:
        """Begin ``DownloadPreview``, without a caller: the token in the request grants access."""
        return self._previews.DownloadPreview(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(None)
        )

    def download_link(
        self, request: DownloadLinkRequest
    ) -> aio.UnaryStreamCall[DownloadLinkRequest, LinkMessage]:
        """Begin ``DownloadLink``, without a caller: the token in the request grants access.

        Messages that contain only data arrive as ``DownloadChunk``.
        """
        return self._link(request, timeout=self._transfer_seconds, metadata=outgoing_metadata(None))

    def download_shared(
        self, request: DownloadSharedRequest
    ) -> aio.UnaryStreamCall[DownloadSharedRequest, DownloadSharedResponse]:
        """Begin ``DownloadShared``, without a caller, like all calls of guests."""
        return self._shared.DownloadShared(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(None)
        )

    def download_shared_archive(
        self, request: DownloadSharedArchiveRequest
    ) -> aio.UnaryStreamCall[DownloadSharedArchiveRequest, DownloadSharedArchiveResponse]:
        """Begin ``DownloadSharedArchive``."""
        return self._shared.DownloadSharedArchive(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(None)
        )

    def drop_file(self) -> aio.StreamUnaryCall[bytes, DropFileResponse]:
        """Begin ``DropFile``; messages are written as bytes (``gateway.upstream.pump``)."""
        return self._drop(timeout=self._transfer_seconds, metadata=outgoing_metadata(None))

    async def transfer(
        self, exchange: Exchange, method: aio.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Response:
        """A unary call that moves bytes (a method of ``transfers``), with the deadline of a stream."""
        return await self.unary(exchange, method, request, seconds=self._transfer_seconds)

    def import_from_url(
        self, exchange: Exchange, request: ImportFromUrlRequest
    ) -> aio.UnaryStreamCall[ImportFromUrlRequest, ImportFromUrlResponse]:
        """Begin ``ImportFromUrl``."""
        return self.transfers.ImportFromUrl(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal)
        )

    def download(self, exchange: Exchange, request: DownloadRequest) -> DownloadCall:
        """Begin ``Download``. Messages that contain only data arrive as ``DownloadChunk``."""
        return self._download(
            request, timeout=self._transfer_seconds, metadata=outgoing_metadata(exchange.principal)
        )


class Metadata(Backend):
    """metadata_service. ``watches``: channel of calls that don't end by themselves, separate from
    the others.
    """

    def __init__(self, channel: aio.Channel, watches: aio.Channel, *, seconds: float) -> None:
        super().__init__("metadata_service", channel, watches, seconds=seconds)
        self.files: FileServiceAsyncStub = FileServiceStub(channel)
        self.generations: GenerationServiceAsyncStub = GenerationServiceStub(channel)
        self.event_media: EventMediaServiceAsyncStub = EventMediaServiceStub(channel)
        self.projects: ProjectServiceAsyncStub = ProjectServiceStub(channel)
        self.shares: ShareServiceAsyncStub = ShareServiceStub(channel)
        self.admin: AdminServiceAsyncStub = AdminServiceStub(channel)
        self.usage: UsageServiceAsyncStub = UsageServiceStub(channel)
        self.retention: RetentionServiceAsyncStub = RetentionServiceStub(channel)
        self.webhooks: WebhookServiceAsyncStub = WebhookServiceStub(channel)
        self._notifications: NotificationServiceAsyncStub = NotificationServiceStub(watches)

    def watch(
        self, exchange: Exchange, request: WatchRequest
    ) -> aio.UnaryStreamCall[WatchRequest, WatchResponse]:
        """Begin ``Watch``. It has no deadline, because it ends with its reader."""
        return self._notifications.Watch(request, metadata=outgoing_metadata(exchange.principal))

    def watch_all(
        self, exchange: Exchange, request: WatchAllRequest
    ) -> aio.UnaryStreamCall[WatchAllRequest, WatchAllResponse]:
        """Begin ``WatchAll``. It has no deadline either."""
        return self._notifications.WatchAll(request, metadata=outgoing_metadata(exchange.principal))
