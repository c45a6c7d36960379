"""From a form to ``Upload``: the file's bytes go out as they come in, in messages of 1 MiB.

What counts is the end. ``finish_write`` goes out only after the HTTP body has ended validly (final boundary,
complete length, Content-Digest); anything else cancels the call, and storage_service commits nothing. The
call is cancelled at once when the client goes away, and the client is answered at once when storage_service
refuses.

``Upload`` wants to know first what is stored, and a form may name it last. Where a field that is still to
come could change the target, the first message carries a guess (``provisional_target``) and the last one the
truth. Files below 1 MiB are one message, with nothing to guess.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Protocol

from gateway.http import fields
from gateway.http.digests import ContentDigest, file_checksums
from gateway.http.idempotency import idempotency_key
from gateway.http.multipart import FormLimits, FormReader, boundary_of
from gateway.http.problems import ClientGone
from gateway.upstream.backend import Storage
from gateway.upstream.call import Call
from gateway.upstream.upload_call import CallOver, UploadCall
from servicekit import failpoints
from strongroom.errors import InvalidField, MalformedRequest, ServiceUnavailable
from strongroom.metadata.v1.file_pb2 import VISIBILITY_PUBLIC, VISIBILITY_UNSPECIFIED, Visibility
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import Buffer, UploadChunk

#: Bytes of data per message (grpc.md: 1 MiB is best on both sides).
CHUNK_BYTES: Final = 1024 * 1024
#: Bytes that have waited so long for more go out as they are, so that slow uploads begin early too. Seconds.
FLUSH_SECONDS: Final = 0.05
#: A first message takes no longer to gather (``gateway.server.pace``). Seconds.
GATHER_SECONDS: Final = 3600.0
#: So long before the caller's token expires the call to storage_service begins, whatever has come. Seconds.
AHEAD_SECONDS: Final = 5.0
#: The guess where nothing is known yet: takes any type and the largest files.
GUESS: Final = UploadTarget(file=FileTarget())
#: The form field ``visibility`` of every family. Private is what the contract has without it.
VISIBILITIES: Final[Mapping[str, Visibility.ValueType]] = {
    "private": VISIBILITY_UNSPECIFIED,
    "public": VISIBILITY_PUBLIC,
}

#: Files under names that no family has are passed over like other unknown fields, up to so many bytes.
MAX_IGNORED_BYTES: Final = 64 * 1024 * 1024
_FIELDS_OF_ALL: Final = frozenset({"visibility", "user_id"})

HEADERS_READ: Final = failpoints.register("gateway.upload.headers_read")
BEFORE_FINISH: Final = failpoints.register("gateway.upload.before_finish")


class Form(Protocol):
    """What a family says about its form. Fields are the text fields that have arrived so far; ``names``:
    those that the family reads.
    """

    names: ClassVar[frozenset[str]]

    def target(self, fields: Mapping[str, str]) -> UploadTarget:
        """Where the file belongs.

        :raises InvalidField: a field is missing or breaks its rule.
        """

    def settled(self, fields: Mapping[str, str]) -> bool:
        """Whether no further field can change ``target`` (it may still refuse one)."""


async def receive_upload(call: Call, form: Form) -> UploadResponse:
    """Read the request's form and store its file; answers once it is committed, mostly with a URL.

    :raises StrongroomError: the request or storage_service refused. :raises ClientGone: the client left.
    """
    call.refuse_encoded_body()
    upload = _FormUpload(call, form)
    await failpoints.hit(HEADERS_READ)
    return await upload.run(call.services.storage)


class _Batch:
    """Bytes that wait to be sent, as the pieces they came in."""

    def __init__(self) -> None:
        self.pieces: list[Buffer] = []
        self.size = 0

    def add(self, pieces: Sequence[Buffer]) -> None:
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
        self._reader = FormReader(
            boundary_of(call.header("content-type")),
            text_fields=form.names | _FIELDS_OF_ALL,
            limits=FormLimits(ignored_bytes=MAX_IGNORED_BYTES),
        )
        self._digest = ContentDigest.parse(call.header("content-digest"))
        self._checksums = file_checksums(call.header)
        self._request_id = idempotency_key(call)
        self._batch = _Batch()
        self._more = True
        self._spec = UploadSpec()
        self._provisional = False
        self._offset = 0
        self._rpc: UploadCall | None = None
        call.user_id()  # a foreign user_id is refused before a byte is read

    async def run(self, storage: Storage) -> UploadResponse:
        """Gather the first message, then stream; the answer is the committed file."""
        left = self._call.principal.expires - time.time()
        opening = None
        if left < GATHER_SECONDS:
            loop = asyncio.get_running_loop()
            opening = loop.call_later(max(0.0, left - AHEAD_SECONDS), self._open, storage)
        try:
            return await self._run(storage)
        finally:
            if opening is not None:
                opening.cancel()
            if self._rpc is not None:
                self._rpc.cancel()  # does nothing to one that is over

    def _open(self, storage: Storage) -> None:
        """The token expires while the body is still on its way: storage_service sees it before it does."""
        if self._rpc is None:
            self._rpc = storage.upload(self._call)

    async def _run(self, storage: Storage) -> UploadResponse:
        while self._more and self._batch.size < CHUNK_BYTES and await self._read():
            pass
        self._spec = self._early_spec() if self._more else self._final_spec()
        if not self._more and self._batch.size <= CHUNK_BYTES and self._rpc is None:
            await failpoints.hit(BEFORE_FINISH)
            return await storage.upload_whole(self._call, self._first_message(finish=True))
        self._open(storage)
        return await self._stream(storage)

    async def _stream(self, storage: Storage) -> UploadResponse:
        rpc = self._rpc = self._rpc or storage.upload(self._call)
        pump = asyncio.ensure_future(self._pump(rpc))
        pump.add_done_callback(lambda task: _settle(task, rpc))
        try:
            with self._call.client.cancels(rpc):
                return await rpc.response()
        except asyncio.CancelledError:
            reason = pump.exception() if pump.done() and not pump.cancelled() else None
            if isinstance(reason, CallOver):
                raise ServiceUnavailable(f"{storage.name} gave the upload up; send it again.") from None
            if reason is not None:
                raise reason from None
            raise
        finally:
            pump.cancel()

    async def _pump(self, rpc: UploadCall) -> None:
        """Send all there is; finish only what has ended validly."""
        streaming = self._more
        while self._more:
            if self._batch.size >= CHUNK_BYTES or not await self._read():
                await self._send(rpc)
        while self._batch.size > CHUNK_BYTES:
            await self._send(rpc)
        if streaming:
            self._correct_spec()
        await failpoints.hit(BEFORE_FINISH)
        await self._send(rpc, finish=True)
        await rpc.done_writing()

    async def _read(self) -> bool:
        """Take one message of the body; False when none came in time although there is something to send."""
        if self._call.client.waiting or not self._batch.size:
            await self._take()
            return True
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._take()
        except TimeoutError:
            return False
        return True

    async def _take(self) -> None:
        message = await self._call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._more = message.get("more_body", False)
        chunk: bytes | bytearray = message.get("body", b"")
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
        offset = self._offset
        if offset == 0:
            await rpc.write(self._first_message(finish=finish))
            return
        pieces = self._next_chunk()
        if finish and self._provisional:
            data = b"".join(pieces)
            await rpc.write(UploadRequest(spec=self._spec, write_offset=offset, data=data, finish_write=True))
        else:
            await rpc.write(UploadChunk(offset, pieces, finish_write=finish))

    def _first_message(self, *, finish: bool) -> UploadRequest:
        return UploadRequest(
            spec=self._spec,
            data=b"".join(self._next_chunk()),
            finish_write=finish,
            provisional_target=self._provisional,
            sign_url=True,
        )

    def _next_chunk(self) -> list[Buffer]:
        size = min(CHUNK_BYTES, self._batch.size)
        self._offset += size
        return self._batch.cut(size)

    def _early_spec(self) -> UploadSpec:
        """What is stored, by the fields so far; the target is a guess unless they settle it."""
        sent = self._reader.fields
        self._provisional = not self._form.settled(sent)
        try:
            target = self._form.target(sent)
        except InvalidField:
            if not self._provisional:
                raise
            target = GUESS
        return self._make_spec(target)

    def _final_spec(self) -> UploadSpec:
        """What is stored, by all fields, once the body has ended and everything about it holds."""
        self._reader.finish()
        if self._digest is not None:
            self._digest.verify()
        return self._make_spec(self._form.target(self._reader.fields))

    def _correct_spec(self) -> None:
        """The last message carries the truth where the first one had a guess."""
        spec = self._final_spec()
        late = spec.visibility != self._spec.visibility  # a guess may be wrong about the target only
        if late or (not self._provisional and spec != self._spec):
            raise MalformedRequest(
                "A field after the file changes what came before it; send it before the file."
            )
        self._spec = spec

    def _make_spec(self, target: UploadTarget) -> UploadSpec:
        file = self._reader.file
        return UploadSpec(
            target=target,
            filename=file.filename if file else "",
            content_type=file.content_type if file else "",
            checksums=self._checksums if self._checksums.ByteSize() else None,
            request_id=self._request_id,
            visibility=fields.choice(self._reader.fields, "visibility", VISIBILITIES, default="private"),
            user_id=self._call.user_id(self._reader.fields.get("user_id")),
        )


def _settle(pump: asyncio.Task[None], rpc: UploadCall) -> None:
    """A pump that failed takes the call with it; its exception is kept for ``run``."""
    if pump.cancelled() or not isinstance(pump.exception(), CallOver | None):
        rpc.cancel()
