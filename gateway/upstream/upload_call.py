"""A running ``Upload`` whose end says what storage_service said.

grpc.aio (1.85) writes ``INTERNAL: Internal error from Core`` over the status it has received when a message
still on its way fails because the call is over (grpc/grpc issue 36066). A refusal in the middle of an upload
would then be answered as a bug of ours, so the status is kept when it arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from grpc import StatusCode, aio

from strongroom.errors import StrongroomError
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import UploadChunk

Message = UploadRequest | UploadChunk

#: How long a call that takes no more messages may keep its reason to itself. Seconds.
REASON_SECONDS: Final = 5.0
_WRITE_FAILED: Final = "Internal error from Core"


class CallOver(Exception):
    """The call takes no more messages."""


class UploadCall:
    """One Upload. ``translate``: from gRPC's error to ours."""

    def __init__(
        self,
        rpc: aio.StreamUnaryCall[Message, UploadResponse],
        translate: Callable[[aio.AioRpcError], StrongroomError],
    ) -> None:
        self._rpc: Any = rpc
        self._translate = translate
        self._status: Any = None
        self._rpc.add_done_callback(self._keep_status)

    async def write(self, message: Message) -> None:
        """Send a message; waits while the service takes no more.

        :raises CallOver: the service has answered already.
        """
        try:
            await self._rpc.write(message)
        except (aio.AioRpcError, aio.InternalError, asyncio.InvalidStateError):
            self._await_reason()
            raise CallOver from None

    async def done_writing(self) -> None:
        """No more messages follow."""
        try:
            await self._rpc.done_writing()
        except aio.InternalError:
            self._await_reason()

    async def response(self) -> UploadResponse:
        """What the service answers.

        :raises StrongroomError: it refused. :raises asyncio.CancelledError: ``cancel`` came first.
        """
        try:
            found: UploadResponse = await self._rpc
        except aio.AioRpcError as error:
            raise self._translate(self._true(error)) from None
        return found

    def cancel(self) -> None:
        """Give the upload up; nothing of it is committed."""
        self._rpc.cancel()

    def _await_reason(self) -> None:
        """The status is on its way; should it never come, the call ends as cancelled."""
        asyncio.get_running_loop().call_later(REASON_SECONDS, self._rpc.cancel)

    def _keep_status(self, rpc: Any) -> None:
        status = rpc._cython_call._status  # noqa: SLF001 - code() and details() can't be awaited in a callback
        if status.details() != _WRITE_FAILED:
            self._status = status

    def _true(self, error: aio.AioRpcError) -> aio.AioRpcError:
        """``error``, or what it has hidden."""
        if error.details() != _WRITE_FAILED or self._status is None:
            return error
        codes = {code.value[0]: code for code in StatusCode}
        return aio.AioRpcError(
            codes.get(self._status.code(), StatusCode.UNKNOWN),
            initial_metadata=error.initial_metadata(),
            trailing_metadata=aio.Metadata(*(self._status.trailing_metadata() or ())),
            details=self._status.details(),
        )
