"""Bytes of a body, taken off a plain socket by the event loop itself.

A hop to a thread and back for each mebibyte costs half as much again as receiving it and handing it on
(docs/object-store.md). TLS stays on threads: decrypting would hold the loop up.
"""

from __future__ import annotations

import asyncio
import socket


async def receive(sock: socket.socket, size: int, timeout: float) -> bytes:
    """The next ``size`` bytes; fewer only at the end of the stream.

    ``sock`` is left non-blocking. Raises TimeoutError when nothing comes for ``timeout`` seconds, OSError.
    """
    sock.setblocking(False)
    pieces: list[bytes] = []
    received = 0
    while received < size:
        try:
            piece = sock.recv(size - received)
        except BlockingIOError:
            async with asyncio.timeout(timeout):
                await _readable(sock)
            continue
        if not piece:
            break
        pieces.append(piece)
        received += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_reader(sock)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
