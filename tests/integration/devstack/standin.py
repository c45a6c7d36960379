"""A stand-in for each of the services: `python -m` this with a ROLE, run by the stack like the real ones.

It writes its environment to {STANDIN_DIR}/ROLE.jsonl at each start, and serves health on the given address.
`STANDIN_{ROLE}` makes it misbehave: `exit` ends it at once, `deaf` ignores SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

SERVING = b"\x08\x01"


class Healthy(BaseHTTPRequestHandler):
    """Answers every request with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def serve_http(address: str) -> ThreadingHTTPServer:
    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve_grpc(address: str) -> grpc.Server:
    import grpc  # it takes a quarter of a second, which half of the stand-ins don't need

    check: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: SERVING
    )
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check}),)
    )
    server.add_insecure_port(address)
    server.start()
    return server


def note(role: str) -> None:
    """Write one line with the environment of this start."""
    with (Path(os.environ["STANDIN_DIR"]) / f"{role}.jsonl").open("a") as file:
        file.write(json.dumps(dict(os.environ)) + "\n")


def main(role: str) -> int:
    note(role)
    behaviour = os.environ.get(f"STANDIN_{role.upper()}")
    if behaviour == "exit":
        sys.stderr.write(f"{role}: the reason it gives\n")
        return 3
    if role == "migrate":
        return 0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: None if behaviour == "deaf" else stop.set())
    if role == "gateway":
        serving: object = serve_http(os.environ["STRONGROOM_HTTP_BIND"])
    else:
        serving = serve_grpc(os.environ[f"STRONGROOM_{role.upper()}_BIND"])
    while not stop.wait(0.1):
        pass
    with (Path(os.environ["STANDIN_DIR"]) / "stopped").open("a") as file:
        file.write(f"{role}\n")
    del serving
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
