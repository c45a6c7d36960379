"""Within a process, chunks of bytes are passed on without a copy. Other changes of a message by one side
don't reach the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from servicekit.inprocess import InProcessChannel, InProcessServer
from strongroom.storage.v1.download_pb2 import DownloadRequest, DownloadResponse
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from strongroom.wire import (
    DownloadChunk,
    UploadChunk,
    decode_download,
    decode_upload,
    encode_download,
    encode_upload,
)

SERVICE = "strongroom.test.v1.Chunks"
BODY = bytes(range(256)) * 4096


class Servicer:
    """Keeps and modifies the received messages; sends the given ones."""

    def __init__(self, *responses: DownloadResponse | DownloadChunk) -> None:
        self.got: list[UploadRequest | UploadChunk] = []
        self.responses = responses

    async def upload(self, requests: AsyncIterator[UploadRequest | UploadChunk], _: Any) -> UploadResponse:
        async for request in requests:
            self.got.append(request)
            if isinstance(request, UploadChunk):
                request.write_offset = 4711
                request.finish_write = True
            else:
                request.spec.content_type = "changed/here"
        return UploadResponse(persisted_size=len(self.got))

    async def download(self, _: Any, __: Any) -> AsyncIterator[DownloadResponse | DownloadChunk]:
        for response in self.responses:
            yield response

    async def serve(self, *, chunks: bool = True) -> InProcessServer:
        server = InProcessServer()
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Upload": grpc.stream_unary_rpc_method_handler(
                self.upload,
                decode_upload if chunks else UploadRequest.FromString,
                UploadResponse.SerializeToString,
            ),
            "Download": grpc.unary_stream_rpc_method_handler(
                self.download, DownloadRequest.FromString, encode_download
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        await server.start()
        return server


def upload_of(channel: aio.Channel) -> Any:
    return channel.stream_unary(f"/{SERVICE}/Upload", encode_upload, UploadResponse.FromString)


def download_of(channel: aio.Channel, deserialize: Any = decode_download) -> Any:
    return channel.unary_stream(f"/{SERVICE}/Download", DownloadRequest.SerializeToString, deserialize)


async def test_an_uploaded_chunk_shares_its_bytes_and_nothing_else() -> None:
    servicer = Servicer()
    sent = UploadChunk(7, (BODY,), 99)
    async with InProcessChannel(await servicer.serve()) as channel:
        assert (await upload_of(channel)(iter([sent]))).persisted_size == 1
    got = servicer.got[0]
    assert isinstance(got, UploadChunk)
    assert got.data is BODY
    assert got.crc32c == 99
    assert got is not sent
    assert (sent.write_offset, sent.finish_write) == (7, False)


@pytest.mark.parametrize("pieces", [(), (b"",), (b"ab",), (b"a", bytearray(b"bc"), memoryview(b"def"))])
@pytest.mark.parametrize("finish", [False, True])
async def test_a_chunk_arrives_as_it_would_from_the_wire(pieces: Any, finish: bool) -> None:
    servicer = Servicer()
    async with InProcessChannel(await servicer.serve()) as channel:
        await upload_of(channel)(iter([UploadChunk(3, pieces, None, finish)]))
    got = servicer.got[0]
    wire = decode_upload(encode_upload(UploadChunk(3, pieces, None, finish)))
    assert isinstance(got, UploadChunk)
    assert isinstance(wire, UploadChunk)
    assert bytes(got.data) == bytes(wire.data)
    assert len(got.pieces) == len(wire.pieces)
    assert got.crc32c == wire.crc32c


async def test_a_protobuf_message_that_the_servicer_changes_stays_as_the_caller_has_it() -> None:
    servicer = Servicer()
    message = UploadRequest(data=b"abc")
    message.spec.content_type = "text/plain"
    async with InProcessChannel(await servicer.serve()) as channel:
        await upload_of(channel)(iter([message]))
    assert message.spec.content_type == "text/plain"
    assert isinstance(servicer.got[0], UploadRequest)
    assert servicer.got[0].spec.content_type == "changed/here"


async def test_a_downloaded_chunk_shares_its_bytes_and_nothing_else() -> None:
    sent, other = DownloadChunk(memoryview(BODY)), DownloadResponse(data=b"abc")
    async with InProcessChannel(await Servicer(sent, other).serve()) as channel:
        call = download_of(channel)(DownloadRequest())
        first, second = await call.read(), await call.read()
        assert await call.read() is aio.EOF
    assert isinstance(first, DownloadChunk)
    assert first is not sent
    assert isinstance(first.data, memoryview)
    assert first.data.obj is BODY
    assert second == DownloadChunk(b"abc") or second.data == b"abc"
    assert second is not other


async def test_who_knows_no_chunks_gets_messages() -> None:
    servicer = Servicer(DownloadChunk(b"down"))
    async with InProcessChannel(await servicer.serve(chunks=False)) as channel:
        await upload_of(channel)(iter([UploadChunk(3, (b"a", b"b"))]))
        response = await download_of(channel, DownloadResponse.FromString)(DownloadRequest()).read()
    got = servicer.got[0]
    assert isinstance(got, UploadRequest)
    assert (got.write_offset, got.data) == (3, b"ab")
    assert response == DownloadResponse(data=b"down")


async def test_chunks_are_held_to_the_size_of_messages() -> None:
    server = await Servicer(DownloadChunk(b"x" * (5 << 20))).serve()
    async with InProcessChannel(server) as channel:
        for call in (
            upload_of(channel)(iter([UploadChunk(0, (b"x" * (5 << 20),))])),
            download_of(channel)(DownloadRequest()),
        ):
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
