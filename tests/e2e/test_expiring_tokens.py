"""A token that expires during the body: authorization is decided when the request arrives."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.stack import RunningStack, until

#: The rest of the token's validity, leeway included, when the request arrives. Seconds.
LEFT: Final = 4.0
LEEWAY: Final = 5.0
FORM: Final = (
    b'--b\r\ncontent-disposition: form-data; name="folder"\r\n\r\nuploads\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"content-type: text/plain\r\n\r\n" + b"text\n" * 200 + b"\r\n--b--\r\n"
)


def zipped() -> bytes:
    """A ZIP of one page."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", "<h1>hello</h1>" * 100)
    return out.getvalue()


def slowly(body: bytes, from_: int, until_: float) -> Iterator[bytes]:
    """``body`` from there on in pieces, the last one after ``until_``."""
    yield body[:from_]
    rest = body[from_:]
    step = max(1, len(rest) // 8)
    at = 0
    while at + step < len(rest) and time.time() < until_:
        yield rest[at : at + step]
        at += step
        time.sleep(0.3)  # the slow client is what is tested
    until("the token has expired", lambda: time.time() > until_)
    yield rest[at:]


def exchange(
    stack: RunningStack, line: str, headers: dict[str, str], body: bytes, *, at_once: int, sub: str = ""
) -> tuple[int, str]:
    """Send the head and ``at_once`` bytes while the token is valid, and the rest when it has expired."""
    expires = time.time() + LEFT
    token = stack.token(sub or f"slow-{uuid.uuid4()}", exp=expires - LEEWAY, iat=int(expires) - 600)
    where = urlsplit(stack.url)
    head = {
        "host": where.netloc,
        "authorization": f"Bearer {token}",
        "content-length": str(len(body)),
        **headers,
    }
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as connection:
        text = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"{line} HTTP/1.1\r\n{text}connection: close\r\n\r\n".encode())
        for piece in slowly(body, at_once, expires + 0.5):
            connection.sendall(piece)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")


@pytest.mark.parametrize("at_once", [0, 40, FORM.index(b"text\n") + 20], ids=["nothing", "a field", "bytes"])
def test_forms(stack: RunningStack, at_once: int) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    status, text = exchange(stack, "POST /api/v1/s3/upload", headers, FORM, at_once=at_once)
    assert status == 201, text


def test_a_project_as_json(stack: RunningStack) -> None:
    tree = {"name": "n", "slug": "s", "files": [{"path": "index.html", "content": "<h1>hello</h1>" * 100}]}
    headers = {"content-type": "application/json"}
    status, text = exchange(stack, "POST /api/projects/save", headers, json.dumps(tree).encode(), at_once=30)
    assert status == 200, text


def test_a_project_as_a_zip(stack: RunningStack) -> None:
    headers = {"content-type": "application/zip"}
    status, text = exchange(stack, "POST /api/projects/slow/archive?name=n", headers, zipped(), at_once=10)
    assert status in {200, 201}, text


def test_tus_with_its_creation(stack: RunningStack) -> None:
    body = b"text\n" * 200
    headers = {
        "tus-resumable": "1.0.0",
        "upload-length": str(len(body)),
        "content-type": "application/offset+octet-stream",
        "upload-metadata": f"filename {base64.b64encode(b'a.txt').decode()}",
    }
    status, text = exchange(stack, "POST /files", headers, body, at_once=20)
    assert status == 201, text


#: Routes that call a service only after the body, and their answers. ``none`` names nothing, which shows that
#: the caller was admitted.
IMPORT: Final = {"url": "http://127.0.0.1:1/", "type": "text-to-image"}
SMALL: Final = {
    "POST /api/v1/uploads": ({"filename": "a.txt", "size": 5, "target": {"folder": "uploads"}}, 201),
    "POST /api/v1/uploads/none/parts": ({"part_count": 1}, 404),
    "POST /api/v1/uploads/none/complete": ({"parts": []}, 404),
    "POST /api/generations": (IMPORT, 422),
    "POST /api/generations/batch": ({"items": [IMPORT]}, 200),
    "POST /api/projects/none/rollback": ({"version": 1}, 404),
    f"PATCH /api/v1/events/{uuid.UUID(int=1)}/media/{uuid.UUID(int=2)}": ({"title": "x"}, 404),
}


def test_small_bodies_that_drip(stack: RunningStack) -> None:
    """In parallel, because each is slow."""

    def ask(line: str) -> tuple[int, str]:
        body = json.dumps(SMALL[line][0]).encode() + b" " * 64
        return exchange(stack, line, {"content-type": "application/json"}, body, at_once=1)

    with ThreadPoolExecutor(len(SMALL)) as pool:
        found = dict(zip(SMALL, pool.map(ask, SMALL), strict=True))
    assert {line: answer[0] for line, answer in found.items()} == {
        line: wanted for line, (_, wanted) in SMALL.items()
    }, found


def test_a_tus_upload_that_goes_on(stack: RunningStack) -> None:
    sub, body = f"slow-{uuid.uuid4()}", b"text\n" * 200
    with stack.http(sub) as http:
        made = http.post("/files", headers={"tus-resumable": "1.0.0", "upload-length": str(len(body))})
    headers = {
        "tus-resumable": "1.0.0",
        "upload-offset": "0",
        "content-type": "application/offset+octet-stream",
    }
    path = urlsplit(made.headers["location"]).path
    status, text = exchange(stack, f"PATCH {path}", headers, body, at_once=20, sub=sub)
    assert status == 204, text


def test_a_stream_of_events_says_why_it_ends(stack: RunningStack) -> None:
    expires = int(time.time()) - 2  # three seconds are left
    with (
        stack.http("listener", exp=expires, iat=expires - 600) as http,
        http.stream("GET", "/api/notifications") as reply,
    ):
        assert reply.status_code == 200
        text = reply.read().decode()
    last = text.strip().rpartition("\n\n")[2]
    assert last.startswith("event: end\n")
    assert json.loads(last.partition("data: ")[2])["code"] == "TOKEN_EXPIRED"


def test_a_websocket_says_why_it_closes(stack: RunningStack) -> None:
    expires = int(time.time()) - 2
    token = stack.token("listener", exp=expires, iat=expires - 600)
    url = stack.url.replace("http://", "ws://") + "/api/notifications/ws"
    with (
        connect(url, additional_headers={"authorization": f"Bearer {token}"}, proxy=None) as socket_,
        pytest.raises(ConnectionClosed) as caught,
    ):
        socket_.recv(timeout=30)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "TOKEN_EXPIRED")


def test_one_that_has_expired_before_is_refused(stack: RunningStack) -> None:
    now = int(time.time())
    with stack.http("late", exp=now - 60, iat=now - 600) as http:
        reply = http.post("/api/v1/s3/upload", files={"file": ("a.txt", b"text", "text/plain")})
    assert (reply.status_code, reply.json()["code"]) == (401, "TOKEN_EXPIRED")
