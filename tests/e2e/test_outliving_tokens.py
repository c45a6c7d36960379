"""Requests and completions in progress continue when their token expires."""

from __future__ import annotations

import io
import json
import os
import socket
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx

from tests.e2e.test_expiring_tokens import LEEWAY, LEFT, exchange
from tests.stack import RunningStack, until


def fetch_slowly(stack: RunningStack, path: str, sub: str) -> tuple[bytes, bytes]:
    """Head and body of a download that is mostly read after its token has expired."""
    expires = time.time() + LEFT
    token = stack.token(sub, exp=expires - LEEWAY, iat=int(expires) - 600)
    where = urlsplit(stack.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.settimeout(60)
        connection.connect((where.hostname or "", where.port or 0))
        head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(1 << 16)
        until("the token has expired", lambda: time.time() > expires + 0.5)
        answer += b"".join(iter(lambda: connection.recv(1 << 20), b""))
    begin, _, body = answer.partition(b"\r\n\r\n")
    return begin, body


def test_downloads(stack: RunningStack) -> None:
    sub, content = f"slow-{uuid.uuid4()}", os.urandom(8 << 20)
    with stack.http(sub) as http:
        key = http.post("/api/v1/s3/upload", files={"file": ("a.bin", content)}).json()["key"]
        tree = io.BytesIO()
        with zipfile.ZipFile(tree, "w") as archive:
            for number in range(3):
                archive.writestr(f"{number}.bin", content)
        made = http.post(
            "/api/projects/tree/archive?name=n",
            content=tree.getvalue(),
            headers={"content-type": "application/zip"},
        )
        assert made.status_code in {200, 201}, made.text
    paths = [f"/api/v1/s3/file/{key}", "/api/projects/tree/files/1.bin", "/api/projects/tree/archive"]
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: fetch_slowly(stack, path, sub), paths))
    assert [head.split(b" ", 2)[1] for head, _ in answers] == [b"200"] * 3
    assert [body == content for _, body in answers[:2]] == [True, True]
    assert b"chunked" in answers[2][0].lower()
    assert answers[2][1].endswith(b"0\r\n\r\n")  # complete, not aborted


def test_a_direct_upload_is_completed(stack: RunningStack) -> None:
    sub, content = f"slow-{uuid.uuid4()}", b"hello"
    with stack.http(sub) as http:
        body = {"filename": "a.txt", "size": len(content), "target": {"folder": "uploads"}}
        made = http.post("/api/v1/uploads", json=body).json()
    (part,) = made["parts"]
    sent = httpx.put(part["url"], content=content, headers=part.get("headers", {}), trust_env=False)
    assert sent.status_code == 200, sent.text
    parts = {"parts": [{"part_number": 1, "etag": sent.headers["etag"]}]}
    status, text = exchange(
        stack,
        f"POST /api/v1/uploads/{made['upload_id']}/complete",
        {"content-type": "application/json"},
        json.dumps(parts).encode() + b" " * 64,
        at_once=1,
        sub=sub,
    )
    assert status in {200, 201}, text
    with stack.http(sub) as http:
        assert http.get(f"/api/v1/s3/file/{json.loads(text)['file']['key']}").content == content
