"""The health check of the images, run as the images run it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest

CHECK = Path(__file__).resolve().parents[3] / "deploy" / "healthcheck.py"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def check(target: str) -> int:
    return subprocess.run([sys.executable, str(CHECK), target], capture_output=True, check=False).returncode


@pytest.fixture
def answers() -> list[bytes]:
    """The gRPC server's answers; the last one is used."""
    return [SERVING]


@pytest.fixture
def grpc_address(answers: list[bytes]) -> Iterator[str]:
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: answers[-1]
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def http_address() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_grpc_serving_is_healthy_and_anything_else_is_not(grpc_address: str, answers: list[bytes]) -> None:
    assert check(f"grpc://{grpc_address}") == 0
    answers.append(NOT_SERVING)
    assert check(f"grpc://{grpc_address}") == 1
    assert check("grpc://127.0.0.1:1") == 1


def test_http_200_is_healthy_and_anything_else_is_not(http_address: str) -> None:
    assert check(f"http://{http_address}/healthz") == 0
    assert check(f"http://{http_address}/readyz") == 1
    assert check("http://127.0.0.1:1/healthz") == 1
