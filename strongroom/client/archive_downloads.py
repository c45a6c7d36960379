"""Downloads archives that the service streams into a local file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import grpc

from strongroom.client.connection import Connection, typed
from strongroom.client.local_files import (
    in_worker,
    is_special,
    naming,
    opened_device,
    replacing,
    write_to_device,
)
from strongroom.client.retries import Deadline
from strongroom.client.uploads import Progress


class _Piece(Protocol):
    """A message of an archive's stream."""

    @property
    def data(self) -> bytes:
        """Bytes of the archive."""


Request = TypeVar("Request")
Piece = TypeVar("Piece", bound=_Piece)


async def save_zip(
    connection: Connection,
    method: grpc.aio.UnaryStreamMultiCallable[Request, Piece],
    request: Request,
    destination: Path,
    *,
    on_progress: Progress | None,
    timeout: float | None,
) -> int:
    """Write the ZIP that ``method`` streams to ``destination``, atomically, and return its size in bytes.

    Links are followed. A broken stream is started over, because archives have no ranges. Into a device or
    pipe the bytes are written directly and can't be taken back, so there a stream that breaks after its first
    bytes is an error.

    :raises StrongroomError: typed by the reason.
    """
    deadline = Deadline(timeout)
    attempts = connection.attempts(deadline)
    special = await in_worker(is_special, destination)
    if await in_worker(destination.is_symlink) and not special:
        destination = await in_worker(destination.resolve)
    while True:
        metadata = await connection.metadata()
        call = method(request, metadata=metadata, timeout=deadline.remaining())
        size = 0
        try:
            async with _writing(destination, special=special) as write:
                async for message in call:
                    await write(message.data)
                    size += len(message.data)
                    if on_progress is not None:
                        on_progress(size, None)
        except grpc.aio.AioRpcError as error:
            if special and size:
                raise typed(error, metadata) from error
            await attempts.pause(typed(error, metadata))
        else:
            return size
        finally:
            call.cancel()


@asynccontextmanager
async def _writing(destination: Path, *, special: bool) -> AsyncGenerator[Callable[[bytes], Awaitable[None]]]:
    """Yield what writes a block to the destination.

    :raises OSError: it can't be opened or is full, or its reader has gone.
    """
    if special:
        async with opened_device(destination) as device:
            yield partial(write_to_device, device, destination)
        return
    async with replacing(destination) as file:

        async def write(block: bytes) -> None:
            with naming(destination):
                await in_worker(file.write, block)

        yield write
