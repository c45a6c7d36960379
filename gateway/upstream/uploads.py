"""Sends a form to ``Upload``: the file's bytes are forwarded as they arrive, in messages of 1 MiB.

``finish_write`` is sent only after the HTTP body has ended validly (final boundary, complete length,
Content-Digest). Otherwise the call is cancelled, and storage_service commits nothing.

``Upload`` needs the target first, but a form may send it last. If a later field could change the target, the
first message has a guess (``provisional_target``) and the last one the actual target. Files below 1 MiB are
one message, without a guess.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import ClassVar, Final, Protocol

from grpc import aio

from gateway.http import fields
from gateway.http.digests import ContentDigest, file_checksums
from gateway.http.exchange import idempotency_key
from gateway.http.multipart import FormLimits, FormReader, boundary_of
from gateway.upstream import wishes
from gateway.upstream.backend import Storage
from gateway.upstream.call import Call
from gateway.upstream.pump import CHUNK_BYTES, Intake, pump
from servicekit import failpoints
from servicekit.context import note_file
from servicekit.limits.settings import LimitSettings
from strongroom.errors import InvalidField, MalformedRequest
from strongroom.metadata.v1.file_pb2 import VISIBILITY_PUBLIC, VISIBILITY_UNSPECIFIED, Visibility
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FILE_FOLDER_DOCUMENTS,
    FILE_FOLDER_UPLOADS,
    FileFolder,
    FileTarget,
    UploadSpec,
    UploadTarget,
)
from strongroom.sending import Message
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import Buffer, UploadChunk

#: Most seconds that collecting the first message can take (``gateway.server.pace``).
GATHER_SECONDS: Final = 3600.0
#: Seconds before the expiry of the caller's token at which the call to storage_service begins at the latest.
AHEAD_SECONDS: Final = 5.0
#: The guess if nothing is known yet: it allows all types and the largest files.
GUESS: Final = UploadTarget(file=FileTarget())
#: Values of the form field ``visibility`` in all families. Without it files are private.
VISIBILITIES: Final[Mapping[str, Visibility.ValueType]] = {
    "private": VISIBILITY_UNSPECIFIED,
    "public": VISIBILITY_PUBLIC,
}
#: The folders of plain files; each is the first part of its files' keys.
FOLDERS: Final[Mapping[str, FileFolder.ValueType]] = {
    "uploads": FILE_FOLDER_UPLOADS,
    "documents": FILE_FOLDER_DOCUMENTS,
    "audio": FILE_FOLDER_AUDIO,
}

#: Most bytes of files in unknown fields, which are skipped like other unknown fields.
MAX_IGNORED_BYTES: Final = 64 * 1024 * 1024
#: More than the fields, headers of parts and boundaries of one form.
FORM_BYTES: Final = 4 * 1024 * 1024
_FIELDS_OF_ALL: Final = frozenset({"visibility", "user_id", wishes.STORAGE_CLASS, *wishes.NAMES})

#: Fields of a spec that must come before the file: only the target may be guessed.
_SETTLED: Final = ("visibility", "retention", "storage_class")

HEADERS_READ: Final = failpoints.register("gateway.upload.headers_read")
BEFORE_FINISH: Final = failpoints.register("gateway.upload.before_finish")


class Form(Protocol):
    """A family's form. ``fields``: the text fields that have arrived so far; ``names``: those that the family
    reads.
    """

    names: ClassVar[frozenset[str]]

    def target(self, fields: Mapping[str, str]) -> UploadTarget:
        """The target of the file.

        :raises InvalidField: a field is missing or breaks its rule.
        """

    def settled(self, fields: Mapping[str, str]) -> bool:
        """Whether no later field can change ``target`` (it may still make it raise)."""

    def largest(self, limits: LimitSettings) -> int:
        """Size limit of the file, in bytes."""


async def receive_upload(call: Call, form: Form, *, replacing: int | None = None) -> UploadResponse:
    """Read the request's form and store its file. Returns when it is committed, usually with a URL.

    ``replacing``: the only generation that the file may replace (0: it must not replace any); None: any.

    :raises StrongroomError: the request or storage_service refused.
    :raises ClientGone: the client disconnected.
    """
    call.refuse_encoded_body()
    call.refuse_longer(form.largest(call.services.settings) + MAX_IGNORED_BYTES + FORM_BYTES)
    upload = _FormUpload(call, form, replacing)
    await failpoints.hit(HEADERS_READ)
    stored = await upload.run(call.services.storage)
    note_file(stored.file.id)
    return stored


class _FileBytes:
    """The file's part of a form's body.

    A separate object, to avoid a reference cycle between body and upload, which would keep bytes until
    garbage collection.
    """

    def __init__(self, reader: FormReader, digest: ContentDigest | None) -> None:
        self._reader = reader
        self._digest = digest

    def among(self, chunk: bytes) -> Sequence[Buffer]:
        """The file's bytes in a chunk of the body."""
        pieces = self._reader.feed(chunk)
        if self._digest is not None:
            self._digest.update_body(chunk)
            for piece in pieces:
                self._digest.update_file(piece)
        return pieces


class _FormUpload:
    """The upload of one form."""

    def __init__(self, call: Call, form: Form, replacing: int | None) -> None:
        self._call = call
        self._form = form
        self._replacing = replacing
        self._reader = FormReader(
            boundary_of(call.header("content-type")),
            text_fields=form.names | _FIELDS_OF_ALL,
            limits=FormLimits(ignored_bytes=MAX_IGNORED_BYTES),
        )
        self._digest = ContentDigest.parse(call.header("content-digest"))
        self._checksums = file_checksums(call.header)
        self._request_id = idempotency_key(call)
        self._intake = Intake(call, _FileBytes(self._reader, self._digest).among)
        self._spec = UploadSpec()
        self._provisional = False
        self._offset = 0
        self._rpc: aio.StreamUnaryCall[Message, UploadResponse] | None = None
        call.user_id()  # another user's id is refused before a byte is read

    async def run(self, storage: Storage) -> UploadResponse:
        """Collect the first message, then stream. Returns the committed file."""
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
        """Begin the call while the token is still valid, although the body is still on its way."""
        if self._rpc is None:
            self._rpc = storage.upload(self._call)

    async def _run(self, storage: Storage) -> UploadResponse:
        intake = self._intake
        await intake.fill()
        self._spec = self._early_spec() if intake.more else self._final_spec()
        if not intake.more and intake.batch.size <= CHUNK_BYTES and self._rpc is None:
            await failpoints.hit(BEFORE_FINISH)
            return await storage.upload_whole(self._call, self._first_message(finish=True))
        rpc = self._rpc = self._rpc or storage.upload(self._call)
        return await pump(
            self._call,
            storage,
            rpc,
            self._messages(),
            broken_off=f"{storage.name} gave the upload up; send it again.",
        )

    async def _messages(self) -> AsyncGenerator[Message]:
        """All messages after the form's first bytes. The last one finishes the upload, if the form has ended
        validly.
        """
        intake, streaming = self._intake, self._intake.more
        while intake.more:
            await intake.fill()
            if intake.more:
                yield self._message()
        while intake.batch.size > CHUNK_BYTES:
            yield self._message()
        if streaming:
            self._correct_spec()
        await failpoints.hit(BEFORE_FINISH)
        yield self._message(finish=True)

    def _message(self, *, finish: bool = False) -> Message:
        """The next chunk as a message."""
        offset = self._offset
        if offset == 0:
            return self._first_message(finish=finish).SerializeToString()
        pieces = self._next_chunk()
        if finish and self._provisional:
            data = b"".join(pieces)
            return UploadRequest(
                spec=self._spec, write_offset=offset, data=data, finish_write=True
            ).SerializeToString()
        return UploadChunk(offset, pieces, finish_write=finish)

    def _first_message(self, *, finish: bool) -> UploadRequest:
        return UploadRequest(
            spec=self._spec,
            data=b"".join(self._next_chunk()),
            finish_write=finish,
            provisional_target=self._provisional,
            sign_url=True,
        )

    def _next_chunk(self) -> list[Buffer]:
        self._offset += min(CHUNK_BYTES, self._intake.batch.size)
        return self._intake.batch.cut()

    def _early_spec(self) -> UploadSpec:
        """The spec by the fields so far; the target is a guess unless they settle it."""
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
        """The spec by all fields, after the body has ended and its checksum was verified."""
        self._reader.finish()
        if self._digest is not None:
            self._digest.verify()
        return self._make_spec(self._form.target(self._reader.fields))

    def _correct_spec(self) -> None:
        """Set the final spec for the last message, if the first one had a guess."""
        spec = self._final_spec()
        # Only the target may have been guessed.
        late = any(getattr(spec, name) != getattr(self._spec, name) for name in _SETTLED)
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
            if_generation_match=self._replacing,
            visibility=fields.choice(self._reader.fields, "visibility", VISIBILITIES, default="private"),
            user_id=self._call.user_id(self._reader.fields.get("user_id")),
            retention=wishes.retention_of(self._reader.fields),
            storage_class=wishes.storage_class_of(self._reader.fields),
        )
