"""From HTTP to SaveProject and SaveProjectArchive: files go out as they come in.

``finish_write`` goes out only once the body has ended validly; anything else cancels the call and nothing
is saved.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

from grpc import aio

from gateway.families.projects.json_tree import TreeFile, TreeReader
from gateway.http.idempotency import idempotency_key
from gateway.http.problems import ClientGone
from gateway.upstream.call import Call
from strongroom.errors import MalformedRequest
from strongroom.sending import half_close, send
from strongroom.storage.v1.project_pb2 import (
    SaveProjectArchiveRequest,
    SaveProjectArchiveResponse,
    SaveProjectFile,
    SaveProjectRequest,
    SaveProjectResponse,
    SaveProjectSpec,
)

CHUNK: Final = 1 << 20
#: How much JSON is parsed at one go.
PIECE: Final = 1 << 16
#: How much may come before the slug is known.
HOLD: Final = 8 << 20

Response = TypeVar("Response", SaveProjectResponse, SaveProjectArchiveResponse)


async def save_tree(call: Call, expected_version: int | None) -> SaveProjectResponse:
    """Save the JSON tree in the body.

    :raises StrongroomError: the request or storage_service refused; nothing is saved then.
    """
    reader = TreeReader(call.services.settings.max_project_files)
    return await _stream(
        call, call.services.storage.save_project(call), _tree(call, reader, expected_version)
    )


async def save_archive(call: Call, spec: SaveProjectSpec) -> SaveProjectArchiveResponse:
    """Save the ZIP in the body.

    :raises StrongroomError: the request or storage_service refused; nothing is saved then.
    """
    return await _stream(call, call.services.storage.save_project_archive(call), _archive(call, spec))


async def _stream(
    call: Call, rpc: aio.StreamUnaryCall[Any, Response], messages: AsyncIterator[bytes]
) -> Response:
    try:
        call.refuse_encoded_body()
        with call.client.cancels(rpc):
            async for message in messages:
                if not await send(rpc, message):
                    break
            else:
                await half_close(rpc)
            return await rpc
    except aio.AioRpcError as error:
        raise call.services.storage.error(error) from None
    finally:
        rpc.cancel()


async def _tree(call: Call, reader: TreeReader, expected_version: int | None) -> AsyncIterator[bytes]:
    held: list[TreeFile] = []
    begun = False
    async for chunk in _small(body_of(call)):
        held += reader.feed(chunk)
        if reader.head.slug is None or reader.head.name is None:
            if sum(len(file.content) for file in held) > HOLD:
                raise MalformedRequest(
                    "Send name and slug before files in large projects; nothing was saved."
                )
            continue
        for message in _messages(call, reader, held, expected_version, begun=begun):
            yield message
        begun, held = True, []
    held += reader.finish()
    for message in _messages(call, reader, held, expected_version, begun=begun):
        yield message
    yield SaveProjectRequest(finish_write=True).SerializeToString()


async def _small(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Others get their turn while a large chunk is parsed: it may be nothing but marks."""
    async for chunk in chunks:
        yield chunk[:PIECE]
        for at in range(PIECE, len(chunk), PIECE):
            await asyncio.sleep(0)
            yield chunk[at : at + PIECE]


def _messages(
    call: Call, reader: TreeReader, files: list[TreeFile], expected_version: int | None, *, begun: bool
) -> list[bytes]:
    messages = []
    if not begun:
        messages.append(SaveProjectRequest(spec=_spec(call, reader, expected_version)))
    for file in files:
        head = SaveProjectFile(
            path=file.path,
            size_bytes=len(file.content),
            sha256=hashlib.sha256(file.content).digest(),
            executable=file.executable,
        )
        messages.append(SaveProjectRequest(file=head))
        messages += [
            SaveProjectRequest(data=file.content[at : at + CHUNK])
            for at in range(0, len(file.content), CHUNK)
        ]
    return [message.SerializeToString() for message in messages]


def _spec(call: Call, reader: TreeReader, expected_version: int | None) -> SaveProjectSpec:
    head = reader.head
    return SaveProjectSpec(
        name=head.name or "",
        slug=head.slug or "",
        expected_version=expected_version,
        request_id=idempotency_key(call),
        user_id=call.user_id(head.user_id),
    )


async def _archive(call: Call, spec: SaveProjectSpec) -> AsyncIterator[bytes]:
    yield SaveProjectArchiveRequest(spec=spec).SerializeToString()
    waiting, size = [], 0
    async for chunk in body_of(call):
        waiting.append(chunk)
        size += len(chunk)
        if size >= CHUNK:
            yield SaveProjectArchiveRequest(data=b"".join(waiting)).SerializeToString()
            waiting, size = [], 0
    if waiting:
        yield SaveProjectArchiveRequest(data=b"".join(waiting)).SerializeToString()
    yield SaveProjectArchiveRequest(finish_write=True).SerializeToString()


async def body_of(call: Call) -> AsyncIterator[bytes]:
    """The body's bytes as they come.

    :raises ClientGone: the client left before their end.
    """
    more = True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk
