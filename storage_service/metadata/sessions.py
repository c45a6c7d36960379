"""UploadSessionService over gRPC: the adapter of ``state``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grpc import aio

from servicekit import context
from servicekit.channels import call
from servicekit.internal_credential import InternalCredential
from storage_service.attempts.versioning import VersioningGate
from storage_service.metadata.client import STEP_SECONDS
from strongroom.metadata.v1 import upload_session_service_pb2 as messages
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle
from strongroom.metadata.v1.upload_session_service_pb2_grpc import UploadSessionServiceStub


class SessionClient:
    """Implements SessionState."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential, gate: VersioningGate) -> None:
        self._stub = UploadSessionServiceStub(channel)
        self._internal = internal
        self._gate = gate

    async def open(self, request: messages.OpenSessionRequest) -> messages.Session:
        """See SessionState.open. Raises BucketNotVersioned."""
        await self._gate.check_target(request.spec.target)
        return (await call(self._stub.OpenSession, request, internal=self._internal)).session

    async def get(self, upload_id: str) -> messages.Session:
        """See SessionState.get."""
        request = messages.GetSessionRequest(upload_id=upload_id)
        return (await call(self._stub.GetSession, request, internal=self._internal)).session

    async def acquire(self, upload_id: str) -> messages.Session:
        """See SessionState.acquire."""
        request = messages.AcquireWriterRequest(upload_id=upload_id)
        return (await call(self._stub.AcquireWriter, request, internal=self._internal)).session

    async def declare(self, upload_id: str, size: int) -> messages.Session:
        """See SessionState.declare."""
        request = messages.DeclareLengthRequest(upload_id=upload_id, size_bytes=size)
        return (await call(self._stub.DeclareLength, request, internal=self._internal)).session

    async def cancel(self, upload_id: str) -> None:
        """See SessionState.cancel."""
        await call(
            self._stub.EndSession, messages.EndSessionRequest(upload_id=upload_id), internal=self._internal
        )

    async def record(self, request: messages.RecordProgressRequest) -> messages.RecordProgressResponse:
        """See SessionState.record."""
        with _on_nobodys_behalf():
            return await call(
                self._stub.RecordProgress,
                request,
                timeout=STEP_SECONDS,
                internal=self._internal,
                as_caller=False,
            )

    async def lose(self, blob: BlobHandle) -> None:
        """See SessionState.lose."""
        with _on_nobodys_behalf():
            await call(
                self._stub.EndSession,
                messages.EndSessionRequest(blob=blob, lost=True),
                timeout=STEP_SECONDS,
                internal=self._internal,
                as_caller=False,
            )


@contextmanager
def _on_nobodys_behalf() -> Iterator[None]:
    """Steps of a writer outlive the caller's token and deadline."""
    with context.bind(context.RequestContext(request_id=context.current_request_id())):
        yield


@contextmanager
def without_deadline() -> Iterator[None]:
    """For work that goes on when its caller has left: the same caller, but no deadline."""
    now = context.current()
    principal = now.principal if now is not None else None
    with context.bind(context.for_caller(principal)):
        yield
