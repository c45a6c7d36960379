"""How the HTTP probes judge an answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from devstack import health


class Answers(BaseHTTPRequestHandler):
    """200 at /ok, 503 with words elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()
        checks = {"metadata": "ok", "s3": "storage says bucket_missing", "versioning": "off"}
        if self.path == "/readyz":
            self.wfile.write(json.dumps({"checks": checks}).encode())
        else:
            self.wfile.write(b'{"s3":\n "unreachable"}')


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_200_is_ready(url: str) -> None:
    assert health.http_ok(f"{url}/ok")()
    assert not health.http_ok(f"{url}/readyz")()
    assert not health.http_ok("http://127.0.0.1:1/readyz")()


def test_what_is_not_ready_is_quoted_in_one_line(url: str) -> None:
    assert health.readiness(f"{url}/other")() == f'{url}/other answers 503 {{"s3": "unreachable"}}'
    assert health.readiness("http://127.0.0.1:1/")() == "http://127.0.0.1:1/ does not answer"


def test_the_checks_that_fail_are_named(url: str) -> None:
    assert health.readiness(f"{url}/readyz")() == (
        "s3: storage says bucket_missing, versioning: off; `strongroom doctor` says how to fix it"
    )


def test_a_grpc_server_that_is_not_there_is_not_ready() -> None:
    assert not health.grpc_serving("127.0.0.1:1")()
