"""The HTTP server's own parts beyond uvicorn, measured in a separate process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection

import uvloop
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from benchmarks.parts.measured import Part
from gateway.config import GatewaySettings
from gateway.http.leaving import Draining
from gateway.metrics import Metrics
from gateway.server import protocol, serve
from servicekit.serving.memory import tune_malloc

MIB = 1024 * 1024
BODY_BYTES = 512 * MIB
SMALL = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
ANSWER = json.dumps({"key": "uploads/alice/7e57d004.png", "exists": True}).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer with a line of JSON."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


def _serve(pipe: Connection, prepare: Callable[[], None]) -> None:
    """In the child: send the port, serve until told to stop, send the CPU seconds."""
    tune_malloc()
    prepare()
    settings = GatewaySettings(http_bind="127.0.0.1:0", drain_pause_seconds=0, jwt_secret=SecretStr("x" * 32))

    async def run() -> None:
        listener = serve.bind(settings)
        server = serve.make_server(app, settings, Metrics(), Draining())
        server.hears_signals = False
        running = asyncio.create_task(server.serve(sockets=[listener]))
        pipe.send(listener.getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(used.ru_utime + used.ru_stime)
        await asyncio.to_thread(pipe.recv)
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(used.ru_utime + used.ru_stime)
        server.stop()
        await running

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _cost(prepare: Callable[[], None], load: Callable[[socket.socket], None]) -> float:
    """CPU seconds of the server under ``load``."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, prepare))
    child.start()
    theirs.close()  # so that this process notices the child's end
    port = ours.recv()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _small(connection, 50)
        ours.send("begin")
        before: float = ours.recv()
        load(connection)
        ours.send("end")
        after: float = ours.recv()
    child.join()
    return after - before


def _small(connection: socket.socket, times: int) -> None:
    for _ in range(times):
        connection.sendall(SMALL)
        got = b""
        while not got.endswith(ANSWER):
            got += connection.recv(4096)


def _large(connection: socket.socket) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % BODY_BYTES
    connection.sendall(head)
    block = bytes(MIB)
    for _ in range(BODY_BYTES // MIB):
        connection.sendall(block)
    got = b""
    while not got.endswith(ANSWER):
        got += connection.recv(4096)


def as_it_is() -> None:
    """Change nothing."""


def no_long_bodies() -> None:
    """Disable ``gateway.server.body``."""
    vars(protocol)["LONG_BYTES"] = 1 << 62


SERVER = (
    Part(
        "long body",
        "0030",
        "CPU s/GiB",
        lambda: _cost(as_it_is, _large) * 1024 * MIB / BODY_BYTES,
        lambda: _cost(no_long_bodies, _large) * 1024 * MIB / BODY_BYTES,
    ),
)
