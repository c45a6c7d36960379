"""Archives that the service streams, into a local file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import grpc

from strongroom.client.connection import Connection, typed
from strongroom.client.path_downloads import in_worker
from strongroom.client.replacing import replacing
from strongroom.client.retries import Deadline
from strongroom.client.uploads import Progress


class _Piece(Protocol):
    """A message of an archive."""

    @property
    def data(self) -> bytes:
        """Bytes of it."""


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
    """Write the ZIP that ``method`` streams to ``destination``, atomically; returns its size in bytes. A
    stream that breaks is started over: archives have no ranges.

    :raises StrongroomError: typed by the reason.
    """
    deadline = Deadline(timeout)
    attempts = connection.attempts(deadline)
    while True:
        metadata = await connection.metadata()
        call = method(request, metadata=metadata, timeout=deadline.remaining())
        size = 0
        try:
            async with replacing(destination) as file:
                async for message in call:
                    await in_worker(file.write, message.data)
                    size += len(message.data)
                    if on_progress is not None:
                        on_progress(size, None)
        except grpc.aio.AioRpcError as error:
            await attempts.pause(typed(error, metadata))
        else:
            return size
        finally:
            call.cancel()
