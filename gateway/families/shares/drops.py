"""Guests' uploads into a drop: each file is a separate call, and its bytes are passed on as they arrive."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from typing import Final

from gateway.families.shares.guest_shapes import DroppedFile
from gateway.http.multipart_files import MAX_PARTS, FormFiles
from gateway.http.part_head import PartHead
from gateway.operations.addresses import address_of
from gateway.upstream.call import Call
from gateway.upstream.pump import pump
from strongroom.errors import DropFull, RateLimited, ShareEnded, StrongroomError
from strongroom.sending import Message
from strongroom.storage.v1.guest_pb2 import DropFileRequest

CHUNK_BYTES: Final = 1 << 20
#: Every later file would be refused as well.
_LAST: Final = (DropFull, RateLimited, ShareEnded)


async def receive_files(
    call: Call, token: str, session: str
) -> tuple[list[DroppedFile], StrongroomError | None]:
    """The results of the form's files, in order; and the first refusal, if there was one.

    :raises StrongroomError: the form is invalid; files stored before stay. :raises ClientGone: the client
        left.
    """
    call.refuse_encoded_body()
    call.refuse_longer(MAX_PARTS * call.services.settings.max_file_bytes)
    files = FormFiles(call)
    sent: list[DroppedFile] = []
    refused: StrongroomError | None = None
    while (head := await files.next()) is not None:
        name = (head.filename or "").replace("\\", "/").rpartition("/")[2]
        try:
            sent.append(await _one(call, files, head, token=token, session=session, name=name))
        except StrongroomError as error:
            if error.http_status >= 500:
                raise
            refused = refused or error
            sent.append({"name": name, "stored": False, "code": error.reason_name, "detail": error.message})
            if isinstance(error, _LAST):
                break
    return sent, refused


async def _one(
    call: Call, files: FormFiles, head: PartHead, *, token: str, session: str, name: str
) -> DroppedFile:
    share = hashlib.sha256(token.encode()).hexdigest()[:32]
    await call.services.limiter.share_drop(address_of(call.services, call.scope), share)
    first = DropFileRequest(token=token, session=session, filename=name, content_type=head.content_type[:255])
    storage = call.services.storage
    stored = await pump(
        call,
        storage,
        storage.drop_file(),
        _messages(files, first),
        broken_off=f"{storage.name} gave the upload up; send it again.",
    )
    return {
        "name": stored.filename,
        "stored": True,
        "size": stored.size_bytes,
        "content_type": stored.content_type,
    }


async def _messages(files: FormFiles, message: DropFileRequest) -> AsyncGenerator[Message]:
    """The first message has the file's properties; small pieces are joined."""
    waiting = bytearray()
    async for piece in files.chunks():
        waiting += piece
        while len(waiting) >= CHUNK_BYTES:
            message.data = bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
            yield message.SerializeToString()
            message = DropFileRequest()
    message.data = bytes(waiting)
    message.finish_write = True
    yield message.SerializeToString()
