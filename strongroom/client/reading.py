"""Blocks of bytes from any source: cutting pieces to size, and reading blocking sources in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

#: The best message size for uploads; see docs/sdk.md.
BLOCK_BYTES = 1024 * 1024
#: Blocks that a reading thread may be ahead of the network, so that both work at the same time.
BLOCKS_AHEAD = 2


def checked(piece: object) -> bytes | bytearray | memoryview:
    """Return ``piece`` if it is bytes.

    :raises TypeError: otherwise, with advice if it is text.
    """
    if isinstance(piece, bytes | bytearray | memoryview):
        return piece
    if isinstance(piece, str):
        raise TypeError("the source gives text, not bytes: open files in binary mode ('rb'), encode strings")
    raise TypeError(f"the source gives {type(piece).__name__}, not bytes")


class Cutter:
    """Collects pieces of any size into blocks of exactly ``BLOCK_BYTES``; ``rest`` is shorter."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def add(self, piece: object) -> Iterator[bytes]:
        """Yield the blocks that ``piece`` completes."""
        data = checked(piece)
        if not self._rest and isinstance(data, bytes) and len(data) == BLOCK_BYTES:
            yield data
            return
        view = memoryview(data).cast("B")
        if self._rest:
            missing = BLOCK_BYTES - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) < BLOCK_BYTES:
                return
            yield bytes(self._rest)
            self._rest.clear()
        whole = len(view) - len(view) % BLOCK_BYTES
        for start in range(0, whole, BLOCK_BYTES):
            yield bytes(view[start : start + BLOCK_BYTES])
        self._rest += view[whole:]

    def rest(self) -> bytes:
        """Return the remaining bytes; may be empty."""
        return bytes(self._rest)


def cut(pieces: Iterable[object]) -> Iterator[bytes]:
    """Yield blocks from pieces of any size."""
    cutter = Cutter()
    for piece in pieces:
        yield from cutter.add(piece)
    if rest := cutter.rest():
        yield rest


async def cut_async(pieces: AsyncIterable[object]) -> AsyncGenerator[bytes]:
    """Yield blocks from pieces of any size."""
    cutter = Cutter()
    async for piece in pieces:
        for block in cutter.add(piece):
            yield block
    if rest := cutter.rest():
        yield rest


def cut_view(data: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Yield blocks from bytes in memory. Bytes that fit one block are not copied."""
    if isinstance(data, bytes) and len(data) <= BLOCK_BYTES:
        yield data
        return
    view = memoryview(data).cast("B")
    for start in range(0, len(view), BLOCK_BYTES):
        yield bytes(view[start : start + BLOCK_BYTES])


async def with_last(blocks: AsyncGenerator[bytes]) -> AsyncGenerator[tuple[bytes, bool]]:
    """Yield each block, and whether it is the last one. Without any block, yield an empty one.

    Closes ``blocks``.
    """
    held: bytes | None = None
    async with aclosing(blocks):
        async for block in blocks:
            if held is not None:
                yield held, False
            held = block
        yield held or b"", True


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class _Stopped(Exception):
    """The consumer has stopped reading."""


async def in_thread(open_blocks: Callable[[], Iterator[bytes]]) -> AsyncGenerator[bytes]:
    """Yield the blocks of a blocking iterator, read by a daemon thread at most ``BLOCKS_AHEAD`` ahead.

    It is a thread of its own and not the loop's executor, because a read that never returns (a terminal, a
    pipe) must not keep the program from ending. Exceptions of the iterator are raised here; the thread closes
    it at the end.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | _End] = asyncio.Queue()
    room = threading.Semaphore(BLOCKS_AHEAD)
    stopped = threading.Event()

    def post(item: bytes | _End) -> None:
        if stopped.is_set():
            raise _Stopped
        try:
            loop.call_soon_threadsafe(queue.put_nowait, item)
        except RuntimeError as error:  # the loop is closed
            raise _Stopped from error

    thread = threading.Thread(
        target=_read, args=(open_blocks, room, post), name="strongroom-reader", daemon=True
    )
    thread.start()
    try:
        while not isinstance(item := await queue.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        room.release()


def _read(
    open_blocks: Callable[[], Iterator[bytes]],
    room: threading.Semaphore,
    post: Callable[[bytes | _End], None],
) -> None:
    error: BaseException | None = None
    try:
        _post_all(open_blocks(), room, post)
    except _Stopped:
        return
    except BaseException as caught:  # noqa: BLE001 - passed to the reader, which raises it
        error = caught
    try:
        post(_End(error))
    except _Stopped:
        return


def _post_all(
    blocks: Iterator[bytes], room: threading.Semaphore, post: Callable[[bytes | _End], None]
) -> None:
    try:
        for block in blocks:
            room.acquire()
            post(block)
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
