"""The gateway and the gRPC ports behind nginx, with the configuration from docs/deploy/nginx.md."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from strongroom import Client
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.e2e.belongings import TUS
from tests.stack import PATIENCE, RunningStack, until

CONFIG: Final = Path(__file__).resolve().parents[2] / "deploy" / "proxies" / "nginx.conf"
MIB: Final = 1 << 20
HOST: Final = "http://files.example.com"


@dataclass(frozen=True)
class Proxy:
    """A running nginx on sockets in ``folder``, where it would also buffer bodies."""

    folder: Path

    @property
    def http(self) -> Path:
        """The socket for HTTP."""
        return self.folder / "http"

    @property
    def grpc(self) -> str:
        """The socket for gRPC."""
        return f"unix:{self.folder}/grpc"

    def client(self, stack: RunningStack, user: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {stack.token(user)}"}
        transport = httpx.HTTPTransport(uds=str(self.http), verify=False)
        return httpx.Client(base_url=HOST, headers=headers, timeout=PATIENCE, transport=transport)


@pytest.fixture(scope="module")
def proxy(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    running = Proxy(folder)
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"  {name}_temp_path {folder}/{name};\n" for name in paths)
    changes = {
        "worker_processes auto;": "worker_processes 1; daemon off; error_log stderr warn;"
        f" pid {folder}/pid;" + (" user root;" if os.geteuid() == 0 else ""),
        "http {\n": f"http {{\n  access_log off;\n{places}",
        "listen 8000;": f"listen unix:{running.http};",
        "listen 8001 http2;": f"listen {running.grpc} http2;",
        "127.0.0.1:8080": stack.url.removeprefix("http://"),
        "127.0.0.1:50051": stack.state["storage"]["address"],
        "127.0.0.1:50052": stack.state["metadata"]["address"],
    }
    text = CONFIG.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    path = f"{os.environ['PATH']}:/usr/sbin"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": path})

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket(socket.AF_UNIX) as tried:
            return tried.connect_ex(str(running.http)) == 0

    until("nginx listens", answers)
    yield running
    process.terminate()
    process.wait(PATIENCE)


def test_a_large_body_goes_through_and_comes_back_in_parts(
    proxy: Proxy, stack: RunningStack, user: str
) -> None:
    body = os.urandom(24 * MIB)
    with proxy.client(stack, user) as http:
        stored = http.post("/api/v1/s3/upload", files={"file": ("a.bin", body)})
        assert stored.status_code == 201, stored.text
        path = f"/api/v1/s3/file/{stored.json()['key']}"
        assert hashlib.sha256(http.get(path).content).digest() == hashlib.sha256(body).digest()
        part = http.get(path, headers={"range": "bytes=5000000-5000099"})
    assert (part.status_code, part.content) == (206, body[5_000_000:5_000_100])
    stored_by_nginx = [found for found in proxy.folder.rglob("*") if found.is_file()]
    assert [found for found in stored_by_nginx if found.stat().st_size > MIB] == []


def test_what_has_come_of_a_broken_upload_is_kept(proxy: Proxy, stack: RunningStack, user: str) -> None:
    with proxy.client(stack, user) as http:
        made = http.post("/files", headers={**TUS, "upload-length": str(8 * MIB)})
        path = made.headers["location"]
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: files.example.com\r\n"
            f"Authorization: Bearer {stack.token(user)}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nContent-Length: {8 * MIB}\r\n\r\n"
        )
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(proxy.http))
            connection.sendall(head.encode() + bytes(2 * MIB))
        # nginx with request buffering would pass on nothing of an aborted request.
        kept = until("the bytes are kept", lambda: _persisted(stack, user, path.rpartition("/")[2]))
        offset = int(http.head(path, headers=TUS).headers["upload-offset"])
    assert 0 < kept <= offset <= 2 * MIB


def _persisted(stack: RunningStack, user: str, upload_id: str) -> int:
    """How many bytes are kept. A HEAD would end the request that is still passing them on."""
    metadata = (("authorization", f"Bearer {stack.token(user)}"),)
    with stack.channel("storage") as channel:
        request = GetUploadRequest(upload_id=upload_id)
        return StorageServiceStub(channel).GetUpload(request, metadata=metadata).session.persisted_size


def test_events_come_at_once(proxy: Proxy, stack: RunningStack, user: str) -> None:
    with (
        proxy.client(stack, user) as http,
        proxy.client(stack, user) as other,
        http.stream("GET", "/api/notifications") as events,
    ):
        lines = events.iter_lines()
        next(lines)
        key = other.post("/api/v1/s3/upload", files={"file": ("a.txt", b"x")}).json()["key"]
        told = next(line for line in lines if line.startswith("data:") and key in line)
    assert re.search(r'"key":\s*"', told)


def test_grpc(proxy: Proxy, stack: RunningStack, user: str, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(os.urandom(9 * MIB))
    with Client(proxy.grpc, proxy.grpc, token=stack.token(user), tls=False) as client:
        file = client.upload(source)
        client.download(file, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == source.read_bytes()
