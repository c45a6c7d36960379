"""Writes local files atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from strongroom.client.partials import naming
from strongroom.client.path_downloads import in_worker, opened_in_worker


@asynccontextmanager
async def replacing(destination: Path) -> AsyncGenerator[IO[bytes]]:
    """Yield a new file beside ``destination`` that replaces it at the end, durably. After an exception it is
    removed.

    :raises OSError: the folder can't be written to; it names the caller's path.
    """
    part = destination.with_name(f".{secrets.token_hex(8)}.part")

    def drop(file: IO[bytes]) -> None:
        part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the rest of the buffer, on a full disk
            file.close()

    with naming(destination):
        file = await opened_in_worker(drop, part.open, "xb")
    try:
        yield file
        with naming(destination):
            await in_worker(_finish, file)
            await in_worker(part.replace, destination)
    except BaseException:
        drop(file)
        raise


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
