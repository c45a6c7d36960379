"""tus 1.0 header by header against a whole stack: the features that the clients of other tests don't use."""

from __future__ import annotations

import base64
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import google_crc32c
import httpx
import pytest

from tests.e2e.conftest import Login

MIB: Final = 1 << 20
TUS: Final = {"Tus-Resumable": "1.0.0"}
BYTES: Final = TUS | {"Content-Type": "application/offset+octet-stream"}


def create(http: httpx.Client, size: int | None, **headers: str) -> str:
    """The path of a new upload."""
    length = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
    reply = http.post("/files", headers=TUS | length | headers)
    assert reply.status_code == 201, reply.text
    return urlsplit(reply.headers["location"]).path


def patch(http: httpx.Client, path: str, offset: int, content: bytes = b"", **headers: str) -> httpx.Response:
    return http.patch(path, headers=BYTES | {"Upload-Offset": str(offset)} | headers, content=content)


def head(http: httpx.Client, path: str) -> httpx.Headers:
    reply = http.head(path, headers=TUS)
    assert reply.status_code == 200
    return reply.headers


def content(http: httpx.Client, path: str) -> bytes:
    """The content of an upload's file."""
    upload: dict[str, Any] = http.get("/api/v1/uploads/" + path.rpartition("/")[2]).json()
    assert upload["status"] == "finished"
    return http.get(f"/api/v1/s3/file/{upload['file']['key']}").content


def encoded(**fields: str) -> str:
    """Upload-Metadata."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())


SUMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "crc32c": lambda data: google_crc32c.value(data).to_bytes(4, "big"),
}


def test_what_is_announced_is_what_is_tested_here(http: httpx.Client) -> None:
    reply = http.options("/files")
    assert reply.headers["tus-version"] == "1.0.0"
    assert reply.headers["tus-checksum-algorithm"].split(",") == list(SUMS)
    assert set(reply.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "termination",
        "concatenation",
    }  # fmt: skip


@pytest.mark.parametrize("algorithm", SUMS)
@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["small", "past a part"])
def test_upload_checksum(http: httpx.Client, algorithm: str, size: int) -> None:
    data = os.urandom(size)
    path = create(http, size + 3)
    assert patch(http, path, 0, b"abc").status_code == 204
    wrong = base64.b64encode(SUMS[algorithm](data[::-1])).decode()
    refused = patch(http, path, 3, data, **{"Upload-Checksum": f"{algorithm} {wrong}"})
    assert (refused.status_code, head(http, path)["upload-offset"]) == (460, "3")
    right = base64.b64encode(SUMS[algorithm](data)).decode()
    assert patch(http, path, 3, data, **{"Upload-Checksum": f"{algorithm} {right}"}).status_code == 204
    assert content(http, path) == b"abc" + data


def test_a_length_that_comes_later(http: httpx.Client) -> None:
    path = create(http, None)
    assert patch(http, path, 0, b"abc").headers["upload-offset"] == "3"
    found = head(http, path)
    assert (found["upload-defer-length"], found["upload-offset"], "upload-length" in found) == (
        "1",
        "3",
        False,
    )
    assert patch(http, path, 3, b"", **{"Upload-Length": "2"}).status_code in {400, 413}
    assert patch(http, path, 3, b"d", **{"Upload-Length": "5"}).headers["upload-offset"] == "4"
    assert 400 <= patch(http, path, 4, b"", **{"Upload-Length": "6"}).status_code < 500
    assert head(http, path)["upload-length"] == "5"
    assert patch(http, path, 4, b"e").status_code == 204
    assert content(http, path) == b"abcde"


def test_an_empty_patch_declares_and_finishes(http: httpx.Client) -> None:
    path = create(http, None)
    patch(http, path, 0, b"abc")
    assert patch(http, path, 3, b"", **{"Upload-Length": "3"}).headers["upload-offset"] == "3"
    assert content(http, path) == b"abc"


def test_concatenation(http: httpx.Client) -> None:
    partial = {"Upload-Concat": "partial"}
    one, two = create(http, 6 * MIB, **partial), create(http, 3, **partial)
    large = os.urandom(6 * MIB)
    final = {"Upload-Concat": f"final;{one} https://other.test{two} {two}"}
    assert http.post("/files", headers=TUS | final).status_code == 400, "a piece is unfinished"
    patch(http, one, 0, large)
    patch(http, two, 0, b"xyz")
    for path, offset in ((one, 6 * MIB - 1), (two, 0)):
        assert patch(http, path, offset, b"x").status_code == 409
    assert patch(http, two, 3, b"x").status_code == 413
    assert http.get("/api/v1/s3/files").json()["files"] == []
    reply = http.post("/files", headers=TUS | final | {"Upload-Metadata": encoded(filename="whole.bin")})
    assert reply.status_code == 201
    joined = urlsplit(reply.headers["location"]).path
    found = head(http, joined)
    assert (found["upload-concat"], found["upload-length"]) == (final["Upload-Concat"], str(6 * MIB + 6))
    assert "upload-expires" not in found
    assert patch(http, joined, 6 * MIB + 6).status_code == 403
    assert content(http, joined) == large + b"xyzxyz"
    named = TUS | final | {"Upload-Metadata": encoded(filename="whole.bin")}
    assert [http.post("/files", headers=named).headers["location"] for _ in range(2)] == [
        reply.headers["location"]
    ] * 2
    assert len(http.get("/api/v1/s3/files").json()["files"]) == 1
    other = http.post("/files", headers=named | {"Upload-Metadata": encoded(filename="other.bin")})
    assert urlsplit(other.headers["location"]).path != joined
    assert http.delete(urlsplit(other.headers["location"]).path, headers=TUS).status_code == 204
    assert http.delete(joined, headers=TUS).status_code == 204
    assert http.head(joined, headers=TUS).status_code == 404
    anew = [urlsplit(http.post("/files", headers=named).headers["location"]).path for _ in range(2)]
    assert anew[0] == anew[1] != joined
    assert content(http, anew[0]) == large + b"xyzxyz"
    assert head(http, two)["upload-concat"] == "partial"


def test_pieces_of_others_are_not_there(http: httpx.Client, login: Login, user: str) -> None:
    piece = create(http, 3, **{"Upload-Concat": "partial"})
    patch(http, piece, 0, b"abc")
    other = login(f"{user}-other")
    assert other.post("/files", headers=TUS | {"Upload-Concat": f"final;{piece}"}).status_code == 404


def test_every_answer_tells_when_it_ends(http: httpx.Client) -> None:
    reply = http.post("/files", headers=TUS | {"Upload-Length": "10"})
    path = urlsplit(reply.headers["location"]).path
    begun, went_on, asked = (
        parsedate_to_datetime(answer.headers["upload-expires"]).timestamp() - time.time()
        for answer in (reply, patch(http, path, 0, b"abc"), http.head(path, headers=TUS))
    )
    assert 3400 < begun <= 3600 + 60, "nothing has come yet"
    assert 23 * 3600 < went_on <= 24 * 3600 + 60
    assert 23 * 3600 < asked <= 24 * 3600 + 60


def test_a_repeated_creation_names_the_same_upload_for_a_day(http: httpx.Client) -> None:
    """Also if its file is deleted by then: the answer is the original one (rule R6)."""
    key = {"Idempotency-Key": "one"}
    path = create(http, 3, **key)
    patch(http, path, 0, b"abc")
    assert create(http, 3, **key) == path
    assert http.delete(path, headers=TUS).status_code == 204
    again = http.post("/files", headers=TUS | key | {"Upload-Length": "3"})
    assert (again.status_code, again.headers["upload-offset"]) == (201, "3")
    assert urlsplit(again.headers["location"]).path == path
    assert http.head(path, headers=TUS).status_code == 404


def test_an_admin_goes_on_for_a_user(http: httpx.Client, login: Login, user: str) -> None:
    admin = login("root", roles=["admin"])
    path = create(admin, 9, **{"Upload-Metadata": encoded(user_id=user, filename="a.bin")})
    assert patch(admin, path, 0, b"abc").headers["upload-offset"] == "3"
    assert patch(http, path, 3, b"def").headers["upload-offset"] == "6"
    assert head(admin, path)["upload-offset"] == "6"
    assert patch(admin, path, 6, b"ghi").status_code == 204
    assert content(http, path) == b"abcdefghi"
    assert login(f"{user}-x").head(path, headers=TUS).status_code == 404


def test_the_beginning_of_a_direct_upload_that_is_over(http: httpx.Client) -> None:
    """Repeated with its key it is the same upload, with nothing left to send."""
    body = {"target": {"family": "files"}, "filename": "a.txt", "content_type": "text/plain", "size": 3}
    key = {"idempotency-key": str(uuid.uuid4())}
    begun = http.post("/api/v1/uploads", json=body, headers=key).json()
    (part,) = begun["parts"]
    assert httpx.put(part["url"], content=b"abc", headers=part["headers"]).status_code == 200
    complete = f"/api/v1/uploads/{begun['upload_id']}/complete"
    done = http.post(complete, json={"parts": []}).json()
    again = http.post("/api/v1/uploads", json=body, headers=key)
    assert again.status_code == 201, again.text
    assert (again.json()["upload_id"], again.json()["parts"]) == (begun["upload_id"], [])
    assert again.json()["part_total"] == 0
    assert http.post(complete, json={"parts": []}).json()["file"]["id"] == done["file"]["id"]


@pytest.mark.parametrize("meanwhile", ["written", "deleted"])
def test_a_direct_upload_to_a_path_at_which_others_write(http: httpx.Client, meanwhile: str) -> None:
    """Until completion the client's object is below later ones; then it counts as the last."""
    body = {"target": {"family": "path", "path": "a.txt"}, "content_type": "text/plain", "size": 3}
    begun = http.post("/api/v1/uploads", json=body).json()
    complete = f"/api/v1/uploads/{begun['upload_id']}/complete"
    (part,) = begun["parts"]
    other = create(http, 4, **{"Upload-Metadata": encoded(family="path", path="a.txt")})
    assert patch(http, other, 0, b"abcd").status_code == 204
    assert http.post(complete, json={"parts": []}).json()["code"] == "UPLOAD_INCOMPLETE", "that is another's"
    assert httpx.put(part["url"], content=b"own", headers=part["headers"]).status_code == 200
    other = create(http, 3, **{"Upload-Metadata": encoded(family="path", path="a.txt")})
    assert patch(http, other, 0, b"new").status_code == 204
    if meanwhile == "deleted":
        assert http.delete(other, headers=TUS).status_code == 204
    done = http.post(complete, json={"parts": []})
    assert done.status_code == 200, done.text
    assert http.get(f"/api/v1/s3/file/{done.json()['file']['key']}").content == b"own"


def test_uploads_whose_file_was_replaced(http: httpx.Client, user: str) -> None:
    """Their answers may have been lost: a client that asks is told that they are stored, and sends nothing
    again.
    """
    path = {"family": "path", "path": "a.txt"}
    body = {"target": path, "content_type": "text/plain", "size": 3}
    begun = http.post("/api/v1/uploads", json=body).json()
    complete = f"/api/v1/uploads/{begun['upload_id']}/complete"
    (part,) = begun["parts"]
    assert httpx.put(part["url"], content=b"one", headers=part["headers"], timeout=60).status_code == 200
    direct = http.post(complete, json={"parts": []}).json()
    two = create(http, 3, **{"Upload-Metadata": encoded(**path)})
    assert patch(http, two, 0, b"two").status_code == 204
    three = create(http, 5, **{"Upload-Metadata": encoded(**path)})
    assert patch(http, three, 0, b"three").status_code == 204
    again = http.post(complete, json={"parts": []})
    assert (again.status_code, again.json()["file"]["etag"]) == (200, direct["file"]["etag"])
    asked = http.head(two, headers=TUS)
    assert (asked.status_code, asked.headers["upload-offset"], asked.headers["upload-length"]) == (
        200,
        "3",
        "3",
    )
    last = patch(http, two, 3, b"")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "3")
    assert patch(http, two, 0, b"two").status_code == 409
    assert http.get(f"/api/v1/uploads/{two.rpartition('/')[2]}").json()["status"] == "finished"
    assert http.delete(two, headers=TUS).status_code == 404
    assert http.get(f"/api/v1/s3/file/paths/{user}/a.txt").content == b"three"
    assert http.delete(three, headers=TUS).status_code == 204
    for url in (two, three):
        assert http.head(url, headers=TUS).status_code == 404
