"""Family B: golden bodies of every answer."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.request
import uuid
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import upload, without_urls
from tests.e2e.shapes import ETAG, TIME, URL, UUID, check, check_problem

PATH = "/api/v1/s3"


def add(http: httpx.Client, files: Any = None, **fields: str) -> dict[str, Any]:
    """Store a file."""
    reply = http.post(f"{PATH}/upload", data=fields, files=files or upload())
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def _metadata(user: str, **more: Any) -> dict[str, Any]:
    plain = {
        "user_id": user,
        "original_filename": "cat.png",
        "content_type": "image/png",
        "upload_timestamp": TIME,
    }
    return {**plain, **more}


@pytest.mark.parametrize(
    ("folder", "files", "extension"),
    [
        ("uploads", upload(), "png"),
        ("documents", upload(samples.PDF, "cat.png", "application/pdf"), "png"),
        ("documents", upload(samples.PDF, "Plan.PDF", "application/pdf"), "pdf"),
        ("uploads", upload(b"?", "noext", "application/x-unknown"), "bin"),
    ],
)
def test_storing(http: httpx.Client, user: str, folder: str, files: Any, extension: str) -> None:
    reply = http.post(f"{PATH}/upload", data={"folder": folder}, files=files)
    assert reply.status_code == 201
    name, body, kind = files["file"]
    key = re.compile(rf"{folder}/{user}/{UUID.pattern}\.{extension}")
    metadata = _metadata(user, original_filename=name, content_type=kind)
    expected = {
        "key": key,
        "url": URL,
        "size": len(body),
        "content_type": kind,
        "etag": ETAG,
        "metadata": metadata,
    }
    check(reply.json(), expected)
    assert urllib.request.urlopen(reply.json()["url"]).read() == body


def test_storing_audio(http: httpx.Client, user: str) -> None:
    sound = upload(samples.wav(), "a.wav", "audio/wav")
    body = add(http, sound, folder="audio", class_id="7b/../x")
    assert re.fullmatch(rf"audio/7b=2F\.\.=2Fx/{UUID.pattern}\.wav", body["key"])
    metadata = _metadata(user, original_filename="a.wav", content_type="audio/wav", class_id="7b/../x")
    check(body["metadata"], metadata)
    check_problem(http.post(f"{PATH}/upload", files=sound, data={"folder": "audio"}), 422, "INVALID_FIELD")
    reply = http.post(f"{PATH}/upload", files=upload(), data={"folder": "audio", "class_id": "c"})
    check_problem(reply, 422, "CONTENT_TYPE_NOT_ALLOWED")


def test_one_file_under_all_its_routes(http: httpx.Client, user: str) -> None:
    made = add(http)
    key, plain, escaped = (
        made["key"],
        f"{PATH}/file/{made['key']}",
        f"{PATH}/file/{quote(made['key'], safe='')}",
    )
    line = {
        "key": key,
        "size": made["size"],
        "content_type": "image/png",
        "etag": made["etag"],
        "last_modified": TIME,
    }
    for path in (plain, escaped):
        check(http.get(f"{path}/metadata").json(), {**line, "metadata": _metadata(user)})
        check(http.get(f"{path}/exists").json(), {"key": key, "exists": True})
        check(http.get(f"{path}/url?expires_in=60").json(), {"key": key, "url": URL, "expires_in": 60})
        assert http.get(path).content == samples.png()
    page = {"files": [line], "is_truncated": False, "next_continuation_token": None, "next_page_token": None}
    check(http.get(f"{PATH}/files").json(), page)
    check(http.delete(escaped).json(), {"key": key, "deleted": True})
    check_problem(http.delete(plain), 404, "FILE_NOT_FOUND")
    check_problem(http.get(plain), 404, "FILE_NOT_FOUND")
    check_problem(http.get(f"{plain}/metadata"), 404, "FILE_NOT_FOUND")
    check_problem(http.get(f"{plain}/url"), 404, "FILE_NOT_FOUND")
    check(http.get(f"{plain}/exists").json(), {"key": key, "exists": False})


def test_pages_while_files_are_added(http: httpx.Client, user: str) -> None:
    keys = sorted(add(http)["key"] for _ in range(5))
    first = http.get(f"{PATH}/files", params={"max_keys": 2}).json()
    assert ([one["key"] for one in first["files"]], first["is_truncated"]) == (keys[:2], True)
    add(http)
    seen, token = keys[:2], first["next_continuation_token"]
    while token:
        page = http.get(f"{PATH}/files", params={"max_keys": 2, "continuation_token": token}).json()
        seen += [one["key"] for one in page["files"]]
        token = page["next_page_token"]
    assert seen == sorted(set(seen))
    assert set(keys) <= set(seen)
    by_prefix = http.get(f"{PATH}/files", params={"prefix": keys[0][:-6]}).json()
    assert [one["key"] for one in by_prefix["files"]] == keys[:1]
    assert http.get(f"{PATH}/files", params={"prefix": "documents/"}).json()["files"] == []


def test_limits(http: httpx.Client) -> None:
    for value in ("-1", "x", "1.0", " "):
        check_problem(http.get(f"{PATH}/files", params={"max_keys": value}), 422, "INVALID_FIELD")
    assert http.get(f"{PATH}/files", params={"max_keys": "99999"}).status_code == 200
    check_problem(http.get(f"{PATH}/files?continuation_token=x"), 422, "INVALID_PAGE_TOKEN")
    path = f"{PATH}/file/{add(http)['key']}/url"
    for value in ("0", "604801", "-5", "x"):
        check_problem(http.get(path, params={"expires_in": value}), 422, "INVALID_FIELD")


def test_ranges_and_conditions(http: httpx.Client) -> None:
    body = bytes(range(200))
    made = add(http, upload(body, "a.bin", "application/octet-stream"))
    path, etag = f"{PATH}/file/{made['key']}", f'"{made["etag"]}"'

    def get(**headers: str) -> httpx.Response:
        return http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    part = get(range="bytes=10-19")
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        body[10:20],
        "bytes 10-19/200",
    )
    assert get(range="bytes=-5").content == body[-5:]
    assert get(range="bytes=190-").content == body[190:]
    assert get(range="bytes=0-1,4-5").status_code == 200
    refused = get(range="bytes=200-")
    check_problem(refused, 416, "RANGE_NOT_SATISFIABLE")
    assert refused.headers["content-range"] == "bytes */200"
    assert get(if_none_match=etag).status_code == 304
    assert get(if_none_match='"other"').status_code == 200
    assert get(if_range=etag, range="bytes=0-0").status_code == 206
    assert get(if_range='"other"', range="bytes=0-0").status_code == 200
    check_problem(get(if_match='"other"'), 412, "PRECONDITION_FAILED")
    whole = get()
    assert get(if_modified_since=whole.headers["last-modified"]).status_code == 304
    assert (whole.headers["etag"], whole.headers["x-content-type-options"]) == (etag, "nosniff")
    assert whole.headers["content-disposition"] == 'attachment; filename="a.bin"'
    head = http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "200")
    check_problem(http.delete(path, headers={"if-match": '"other"'}), 412, "PRECONDITION_FAILED")


def test_checksums(http: httpx.Client) -> None:
    right, wrong = (base64.b64encode(hashlib.md5(body).digest()).decode() for body in (samples.png(), b""))
    assert http.post(f"{PATH}/upload", files=upload(), headers={"Content-MD5": right}).status_code == 201
    check_problem(
        http.post(f"{PATH}/upload", files=upload(), headers={"Content-MD5": wrong}), 422, "CHECKSUM_MISMATCH"
    )
    reply = http.post(f"{PATH}/upload", files=upload(), headers={"Content-MD5": "nonsense"})
    assert reply.status_code in (400, 422)
    assert len(http.get(f"{PATH}/files").json()["files"]) == 1


def test_idempotency(http: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (http.post(f"{PATH}/upload", files=upload(), headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert without_urls(first.json()) == without_urls(again.json())
    other = http.post(f"{PATH}/upload", files=upload(samples.png(5)), headers=key)
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    assert len(http.get(f"{PATH}/files").json()["files"]) == 1


def test_refusals(http: httpx.Client) -> None:
    check_problem(http.post(f"{PATH}/upload", files=upload(), data={"folder": "etc"}), 422, "INVALID_FIELD")
    reply = http.post(
        f"{PATH}/upload", files=upload(samples.MP4, "a.mp4", "video/mp4"), data={"folder": "documents"}
    )
    check_problem(reply, 422, "CONTENT_TYPE_NOT_ALLOWED")
    check_problem(http.post(f"{PATH}/upload", files=upload(samples.PDF)), 422, "CONTENT_TYPE_MISMATCH")
    check_problem(http.post(f"{PATH}/upload", json={}), 415, "UNSUPPORTED_MEDIA_TYPE")
    form = {"content-type": "multipart/form-data; boundary=x"}
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf of it'
    check_problem(http.post(f"{PATH}/upload", content=body, headers=form), 400, "UPLOAD_INCOMPLETE")
    reply = http.put(f"{PATH}/upload")
    check_problem(reply, 405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "OPTIONS, POST"
    check_problem(http.get("/api/v2"), 404, "NOT_FOUND")
    assert http.get(f"{PATH}/files").json()["files"] == []
