"""Writing to pipes and devices, which may not take it for as long as nobody reads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TypeVar

from strongroom.client.partials import naming

R = TypeVar("R")


@asynccontextmanager
async def opened_device(device: Path) -> AsyncGenerator[FileIO]:
    """Open it for ``write_to_device``; waits for the reader of a pipe.

    :raises OSError: it can't be opened.
    """
    with naming(device):
        file = await _abandonable(lambda: device.open("wb", buffering=0), undo=FileIO.close)
    try:
        yield file
    finally:
        file.close()


async def write_to_device(file: FileIO, device: Path, block: bytes) -> None:
    """Write all of it.

    :raises OSError: its reader has gone, or it is full; it names ``device``.
    """
    with naming(device):
        await _abandonable(lambda: _write(file, block))


def _write(file: FileIO, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[file.write(left) or 0 :]


async def _abandonable(function: Callable[[], R], undo: Callable[[R], object] | None = None) -> R:
    """Run what may block for ever. A cancelled caller leaves the thread behind; it does not keep the program
    from ending, as one of the event loop's executor would. ``undo``: of what it opens then.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def succeeded(result: R) -> None:
        if not done.done():
            done.set_result(result)
        elif undo is not None:
            undo(result)

    def failed(error: Exception) -> None:
        if not done.done():
            done.set_exception(error)

    def work() -> None:
        with suppress(RuntimeError):  # the loop is closed
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 - passed on to the caller
                loop.call_soon_threadsafe(failed, error)
            else:
                loop.call_soon_threadsafe(succeeded, result)

    threading.Thread(target=work, name="strongroom-device", daemon=True).start()
    return await done
