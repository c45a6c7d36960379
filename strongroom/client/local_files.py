"""Writes to the local disk: files that replace others atomically; and pipes and devices, which may not take
bytes for as long as nobody reads.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO, ParamSpec, TextIO, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@asynccontextmanager
async def replacing(destination: Path) -> AsyncGenerator[IO[bytes]]:
    """Yield a new file beside ``destination`` that replaces it at the end, durably. After an exception it is
    removed.

    :raises OSError: the folder can't be written to; it names the caller's path.
    """
    part = destination.with_name(f".{secrets.token_hex(8)}.part")

    def drop(file: IO[bytes]) -> None:
        part.unlink(missing_ok=True)
        with suppress(OSError):  # the rest of the buffer, on a full disk
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


@contextmanager
def replacing_text(path: Path) -> Generator[TextIO]:
    """Yield a new UTF-8 file beside ``path`` that replaces it at the end, durably, with lines as they are
    written. After an exception it is removed; after a kill the next run overwrites it.

    :raises OSError: the folder can't be written to, or is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def is_special(path: Path) -> bool:
    """Whether the path exists and can't be replaced: a device or a pipe.

    The path is tested unresolved, because ``/dev/stdout`` in a pipe doesn't resolve to a path.
    """
    return path.exists() and not path.is_file()


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


@contextmanager
def naming(destination: Path) -> Iterator[None]:
    """Name the caller's path in errors instead of the file beside it, which callers don't know.

    :raises OSError: as inside, with another ``filename``.
    """
    try:
        yield
    except OSError as error:
        missing = error.errno == errno.ENOENT and not destination.parent.exists()
        named = destination.parent if missing else destination
        raise type(error)(error.errno, error.strerror, str(named)) from error


async def in_worker(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a blocking function in a thread, and wait for it even when cancelled: its file may be closed
    next.
    """
    return await opened_in_worker(lambda _: None, function, *args, **kwargs)


async def opened_in_worker(
    undo: Callable[[R], object], function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """``in_worker`` for what opens or makes something: ``undo`` it when the caller was cancelled meanwhile,
    who never gets it.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            undo(task.result())
        raise
