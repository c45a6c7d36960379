"""Clients that abandon an upload: cancelled, dead, or out of time. None of them finishes it.

Also a program (``python -m tests.faults.cutting DOOR ADDRESS SECONDS TOKEN…``) for clients to be killed by
SIGKILL: it opens one stream per token, prints ``streaming`` and sends until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator
from typing import Final, Literal

import grpc
from grpc import aio

from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.faults.rpc import CHUNK, OPTIONS, file_spec

Door = Literal["grpc", "http"]
BOUNDARY: Final = "fault-test-boundary"
_FORM_HEAD: Final = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="folder"\r\n\r\nuploads\r\n--{BOUNDARY}\r\n'
    'Content-Disposition: form-data; name="file"; filename="file.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_FORM_TAIL: Final = f"\r\n--{BOUNDARY}--\r\n".encode()
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: closing sends RST


def form_head(token: str, request_id: str, size: int) -> bytes:
    """The head of an HTTP upload of ``size`` bytes, up to the first byte."""
    length = len(_FORM_HEAD) + size + len(_FORM_TAIL)
    head = (
        "POST /api/v1/s3/upload HTTP/1.1\r\nhost: gateway\r\n"
        f"authorization: Bearer {token}\r\nidempotency-key: {request_id}\r\n"
        f"content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()
    return head + _FORM_HEAD


def form_tail() -> bytes:
    """The bytes after the file."""
    return _FORM_TAIL


async def cut_stream(
    address: str, token: str, request_id: str, cut: int, *, seconds: float | None = None
) -> grpc.StatusCode:
    """Send ``cut`` bytes over gRPC, then cancel; with ``seconds``, continue slowly until the deadline.
    Returns the status.
    """
    async with aio.insecure_channel(address, options=OPTIONS) as channel:
        call = StorageServiceStub(channel).Upload(
            timeout=seconds, metadata=[("authorization", f"Bearer {token}")]
        )
        with contextlib.suppress(
            aio.AioRpcError, asyncio.InvalidStateError
        ):  # the call may end while we still write
            await call.write(UploadRequest(spec=file_spec(request_id)))
            async for message in _pieces(cut, pause=0.02 if seconds else 0.0):
                await call.write(message)
            if seconds is None:
                call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await call.code()
        return grpc.StatusCode.CANCELLED


async def cut_form(address: str, token: str, request_id: str, cut: int, *, whole: bool = False) -> None:
    """Send ``cut`` bytes of a larger file (``whole``: of a file of this size, without the form's end), then
    reset.
    """
    host, _, port = address.rpartition(":")
    size = cut if whole else cut + 1 + cut // 3
    _, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        writer.write(form_head(token, request_id, size))
        async for message in _pieces(cut):
            writer.write(message.data)
            await writer.drain()
        await asyncio.sleep(random.uniform(0, 0.05))
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _pieces(size: int, *, pause: float = 0.0) -> AsyncIterator[UploadRequest]:
    block = random.randbytes(CHUNK)
    for offset in range(0, size, CHUNK):
        yield UploadRequest(write_offset=offset, data=block[: min(CHUNK, size - offset)])
        await asyncio.sleep(pause)


async def _stream_until_killed(door: Door, address: str, token: str, number: int) -> None:
    """Send bytes endlessly, at a steady pace."""
    pace = random.uniform(0.03, 0.4)
    request_id = f"killed-{number}"
    if door == "grpc":
        channel = aio.insecure_channel(address, options=OPTIONS)
        call = StorageServiceStub(channel).Upload(metadata=[("authorization", f"Bearer {token}")])
        await call.write(UploadRequest(spec=file_spec(request_id)))
        async for message in _pieces(1 << 30, pause=pace):
            await call.write(message)
        return
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(form_head(token, request_id, 1 << 30))
    async for message in _pieces(1 << 30, pause=pace):
        writer.write(message.data)
        await writer.drain()


async def _main(door: Door, address: str, seconds: float, tokens: list[str]) -> None:
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as streams:
        for number, token in enumerate(tokens):
            streams.create_task(_stream_until_killed(door, address, token, number))
        await asyncio.sleep(0)
        sys.stdout.write("streaming\n")
        sys.stdout.flush()


if __name__ == "__main__":
    which: Door = "grpc" if sys.argv[1] == "grpc" else "http"
    asyncio.run(_main(which, sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
