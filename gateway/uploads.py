"""From a form to ``Upload``: the file's bytes go out as they come in, in messages of 1 MiB.

What counts is the end. ``finish_write`` goes out only after the HTTP body has ended validly (final boundary,
complete length, Content-Digest); anything else cancels the call, and storage_service commits nothing. The
call is cancelled at once when the client goes away, and the client is answered at once when storage_service
refuses.

``Upload`` wants to know first what is stored, and a form may name it last. Files below 1 MiB are one message,
so every order works. For larger ones the bytes wait until the fields settle the target, up to ``HOLD_BYTES``
each and the process's budget; beyond that the target so far is taken, and a later field that changes it is
refused: nothing is stored then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NoReturn, Protocol

from grpc import aio

from gateway.backend import Storage, UploadCall
from gateway.call import Call, gone
from gateway.digests import ContentDigest, file_checksums
from gateway.idempotency import idempotency_key
from gateway.multipart import FormReader, boundary_of
from gateway.problems import ClientGone
from servicekit import failpoints
from strongroom.errors import InvalidField, MalformedRequest, Overloaded, UnsupportedMediaType
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.wire import Buffer, UploadChunk

#: Bytes of data per message (grpc.md: 1 MiB is best on both sides).
CHUNK_BYTES: Final = 1024 * 1024
#: How much of one file may wait for fields that come after it.
HOLD_BYTES: Final = 8 * 1024 * 1024

HEADERS_READ: Final = failpoints.register("gateway.upload.headers_read")
BEFORE_FINISH: Final = failpoints.register("gateway.upload.before_finish")


class Form(Protocol):
    """What a family says about its form. Fields are the text fields that have arrived so far."""

    def target(self, fields: Mapping[str, str]) -> UploadTarget:
        """Where the file belongs.

        :raises InvalidField: a field is missing or breaks its rule.
        """

    def settled(self, fields: Mapping[str, str]) -> bool:
        """Whether no further field can change ``target`` (it may still refuse one)."""


class HoldBudget:
    """Bytes that may wait for late fields, in all uploads of the process together."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes; False when they are not there."""
        if size > self._free:
            return False
        self._free -= size
        return True

    def give_back(self, size: int) -> None:
        """Return what ``take`` reserved."""
        self._free += size


async def receive_upload(call: Call, form: Form) -> File:
    """Read the request's form and store its file; answers once it is committed.

    :raises StrongroomError: the request or storage_service refused. :raises ClientGone: the client left.
    """
    encoding = call.header("content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise UnsupportedMediaType("Content-Encoding is not taken here; send the form as it is.")
    upload = _FormUpload(call, form)
    await failpoints.hit(HEADERS_READ)
    try:
        return await upload.run(call.services.storage)
    finally:
        upload.close()


class _Batch:
    """Bytes that wait to be sent, as the pieces they came in."""

    def __init__(self) -> None:
        self.pieces: list[Buffer] = []
        self.size = 0

    def add(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.pieces.append(piece)
            self.size += len(piece)

    def cut(self, size: int) -> list[Buffer]:
        """Take the first ``size`` bytes (or all there are) away, without copying them."""
        taken: list[Buffer] = []
        missing = min(size, self.size)
        self.size -= missing
        for index, piece in enumerate(self.pieces):
            if missing < len(piece):
                if missing:
                    view = memoryview(piece)
                    taken.append(view[:missing])
                    self.pieces[index] = view[missing:]
                del self.pieces[:index]
                return taken
            taken.append(piece)
            missing -= len(piece)
        self.pieces.clear()
        return taken


class _FormUpload:
    """One form on its way."""

    def __init__(self, call: Call, form: Form) -> None:
        self._call = call
        self._form = form
        self._reader = FormReader(boundary_of(call.header("content-type")))
        self._digest = ContentDigest.parse(call.header("content-digest"))
        self._checksums = file_checksums(call.header)
        self._request_id = idempotency_key(call)
        self._budget = call.services.hold_budget
        self._batch = _Batch()
        self._held = 0
        self._starved = False
        self._more = True
        self._spec: UploadSpec | None = None
        self._offset = 0
        length = call.header("content-length")
        self._hopeless = length is not None and length.isdecimal() and int(length) > HOLD_BYTES + CHUNK_BYTES
        call.user_id()  # a foreign user_id is refused before a byte is read

    def close(self) -> None:
        """Give the budget back: what waited is on its way, or dropped."""
        self._budget.give_back(self._held)
        self._held = 0

    async def run(self, storage: Storage) -> File:
        """Gather the first message, then stream; the answer is the committed file."""
        while self._more and not self._may_start():
            await self._read_or_complete()
        if self._more:
            self._spec = self._early_spec()
        self.close()
        rpc = storage.upload(self._call)
        pump = asyncio.ensure_future(self._pump(rpc))
        pump.add_done_callback(lambda task: _settle(task, rpc))
        try:
            return (await rpc).file
        except aio.AioRpcError as error:
            raise storage.error(error) from None
        except asyncio.CancelledError:
            reason = pump.exception() if pump.done() and not pump.cancelled() else None
            if reason is not None:
                raise reason from None
            raise
        finally:
            pump.cancel()

    async def _pump(self, rpc: UploadCall) -> None:
        """Send all there is, then watch the client until the answer comes (this task is cancelled then)."""
        while self._more:
            if self._batch.size >= CHUNK_BYTES:
                await self._send(rpc)
            else:
                await self._read_or_complete()
        while self._batch.size > CHUNK_BYTES:
            await self._send(rpc)
        await failpoints.hit(BEFORE_FINISH)
        await self._send(rpc, finish=True)
        await rpc.done_writing()
        await gone(self._call.receive)
        raise ClientGone

    async def _read_or_complete(self) -> None:
        await self._read()
        if not self._more:
            self._complete()

    async def _read(self) -> None:
        """Take one message of the body."""
        message = await self._call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        if not chunk:
            return
        pieces = self._reader.feed(chunk)
        self._batch.add(pieces)
        if self._digest is not None:
            self._digest.update_body(chunk)
            for piece in pieces:
                self._digest.update_file(piece)

    async def _send(self, rpc: UploadCall, *, finish: bool = False) -> None:
        """Send the next chunk; waits while storage_service does not take more."""
        size = min(CHUNK_BYTES, self._batch.size)
        pieces = self._batch.cut(size)
        if self._offset == 0:
            first = UploadRequest(spec=self._spec, data=b"".join(pieces), finish_write=finish)
            await rpc.write(first)
        else:
            await rpc.write(UploadChunk(self._offset, pieces, finish_write=finish))
        self._offset += size

    def _may_start(self) -> bool:
        """Whether there is a full message, and either the target is settled or waiting for more fields has to
        end.
        """
        if self._batch.size < CHUNK_BYTES:
            return False
        return self._form.settled(self._reader.fields) or not self._hold()

    def _hold(self) -> bool:
        """Try to keep the bytes so far until the fields are known."""
        if self._hopeless or self._batch.size > HOLD_BYTES:
            return False
        if not self._budget.take(self._batch.size - self._held):
            self._starved = True
            return False
        self._held = self._batch.size
        return True

    def _complete(self) -> None:
        """The body has ended: everything about it must hold now, and agree with what was sent already."""
        file = self._reader.finish()
        if self._digest is not None:
            self._digest.verify()
        spec = self._make_spec()
        if self._spec is None:
            if file.size < CHUNK_BYTES:
                spec.size_bytes = file.size
            self._spec = spec
        elif spec != self._spec:
            self._refuse_late_fields()

    def _early_spec(self) -> UploadSpec:
        """The spec by the fields before the file."""
        try:
            return self._make_spec()
        except InvalidField:
            if self._form.settled(self._reader.fields):
                raise
            self._refuse_late_fields()

    def _refuse_late_fields(self) -> NoReturn:
        if self._starved:
            raise Overloaded(
                "Too many forms with the file before its fields at once; try again.", retry_after=2.0
            )
        raise MalformedRequest(
            f"In forms over {HOLD_BYTES // CHUNK_BYTES} MiB send the fields before the file;"
            " nothing was stored."
        )

    def _make_spec(self) -> UploadSpec:
        """What is stored, by the fields that have arrived.

        :raises InvalidField, UserMismatch: a field is refused.
        """
        fields, file = self._reader.fields, self._reader.file
        return UploadSpec(
            target=self._form.target(fields),
            filename=file.filename if file else "",
            content_type=file.content_type if file else "",
            checksums=self._checksums if self._checksums.ByteSize() else None,
            request_id=self._request_id,
            user_id=self._call.user_id(fields.get("user_id")),
        )


def _settle(pump: asyncio.Task[None], rpc: UploadCall) -> None:
    """However the pump ended, the call ends with it; its exception is kept for ``run`` and never logged
    twice.
    """
    if not pump.cancelled():
        pump.exception()
    rpc.cancel()
