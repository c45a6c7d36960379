"""Attacks that hold connections open and read nothing: watchers, unread downloads, idle connections."""

from __future__ import annotations

import asyncio
import base64
import os
import socket

from grpc import aio

from benchmarks.attacks import ADDRESS, SILENCE, Attack, Run
from strongroom.errors import from_rpc_error
from strongroom.metadata.v1.notification_service_pb2 import WatchRequest
from strongroom.metadata.v1.notification_service_pb2_grpc import NotificationServiceStub

_STREAMS_A_CHANNEL = 100


async def _for_ever(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def watch_sse(attack: Attack) -> None:
    """One watcher over server-sent events."""
    reader, writer = await attack.connect()
    writer.write(attack.head("GET", "/api/notifications"))
    if await attack.status(reader) == "200":
        await _for_ever(reader)


async def watch_websocket(attack: Attack) -> None:
    """One watcher over a WebSocket."""
    reader, writer = await attack.connect()
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    )
    writer.write(attack.head("GET", "/api/notifications/ws", *lines))
    if await attack.status(reader) == "101":
        await _for_ever(reader)


def watch_grpc(count: int) -> Run:
    """``count`` watchers over gRPC, on as many connections as they need."""

    async def one(attack: Attack, channel: aio.Channel) -> None:
        stub = NotificationServiceStub(channel)
        call = stub.Watch(WatchRequest(), metadata=(("authorization", f"Bearer {attack.target.token}"),))
        try:
            await asyncio.wait_for(call.read(), 30)
            attack.answers["OK"] += 1
            while await call.read() is not aio.EOF:
                pass
        except TimeoutError:
            attack.answers[SILENCE] += 1
        except aio.AioRpcError as error:
            attack.answers[from_rpc_error(error).reason_name] += 1

    async def run(attack: Attack) -> None:
        options = (("grpc.use_local_subchannel_pool", 1),)
        channels = [
            aio.insecure_channel(attack.target.metadata, options) for _ in range(0, count, _STREAMS_A_CHANNEL)
        ]
        try:
            await asyncio.gather(
                *(one(attack, channels[number // _STREAMS_A_CHANNEL]) for number in range(count))
            )
        finally:
            for channel in channels:
                await channel.close()

    return run


async def unread_download(attack: Attack) -> None:
    """A download into a small socket buffer, whose answer is never read."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    with connection:
        connection.bind((ADDRESS, 0))
        await loop.sock_connect(connection, attack.target.http)
        await loop.sock_sendall(connection, attack.head("GET", f"/api/v1/s3/file/{attack.target.key}"))
        try:
            data = await asyncio.wait_for(loop.sock_recv(connection, 12), 30)
        except TimeoutError:
            data = b""
        words = data.split()
        attack.answers[words[1].decode() if len(words) > 1 else SILENCE] += 1
        await asyncio.sleep(3600)  # ended from outside


async def idle(attack: Attack) -> None:
    """A connection that sends nothing. Any answer is counted."""
    reader, _writer = await attack.connect()
    attack.answers["connected"] += 1
    await _for_ever(reader)
