"""Answers documented for many routes, tested on each."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import Final

import google_crc32c
import httpx
import pytest

from tests.e2e.belongings import Belongings, upload
from tests.e2e.shapes import check_problem

Path = Callable[[Belongings], str]
EVENT: Final = "5d2b7a34-6d6f-4c55-9c0e-0d6a3d8a7f10"
"""Constant in all test processes, because it is part of test names."""


def _media(owner: Belongings, suffix: str) -> str:
    return f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}/{suffix}"


def _picture(owner: Belongings) -> str:
    assert owner.picture
    return "/api/v1/users/me/profile-picture"


def _preview(owner: Belongings) -> str:
    url: str = owner.http.get(f"/api/projects/{owner.project}/preview-url").json()["preview_url"]
    return url


BYTES: Final[dict[str, Path]] = {
    "generation": lambda owner: f"/api/generations/{owner.generation['id']}/content",
    "download": lambda owner: _media(owner, "download"),
    "stream": lambda owner: _media(owner, "stream"),
    "picture": _picture,
    "file": lambda owner: f"/api/v1/s3/file/{owner.quoted_key}",
    "project file": lambda owner: f"/api/projects/{owner.project}/files/index.html",
    "preview with a token": lambda owner: f"/api/sandbox-preview/{owner.project}/",
    "preview": _preview,
    "preview of a file": lambda owner: f"{_preview(owner)}index.html",
}
FORMS: Final = {
    "/api/generations/upload": {"type": "text-to-image"},
    "/api/v1/s3/upload": {},
    f"/api/v1/events/{EVENT}/media": {},
    "/api/v1/users/me/profile-picture": {},
    "/api/v1/temp": {},
}
NO_ID: Final = (
    "GET /api/generations/{}",
    "GET /api/generations/{}/signed-url",
    "GET /api/generations/{}/content",
    "DELETE /api/generations/{}",
    f"GET /api/v1/events/{EVENT}/media/{{}}",
    f"GET /api/v1/events/{EVENT}/media/{{}}/download",
    f"GET /api/v1/events/{EVENT}/media/{{}}/stream",
    f"DELETE /api/v1/events/{EVENT}/media/{{}}",
)


@pytest.fixture
def owner(user: str, http: httpx.Client) -> Belongings:
    return Belongings(user, http)


def _method(path: str) -> str:
    return "PUT" if path.endswith("picture") else "POST"


@pytest.mark.parametrize("name", BYTES)
def test_bytes(owner: Belongings, name: str) -> None:
    http, url = owner.http, BYTES[name](owner)
    whole = http.get(url)
    assert whole.status_code == 200
    size, headers = len(whole.content), whole.headers
    assert (headers["accept-ranges"], headers["content-length"]) == ("bytes", str(size))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"]
    digest = base64.b64encode(google_crc32c.value(whole.content).to_bytes(4, "big")).decode()
    assert (headers["repr-digest"], headers["x-amz-checksum-crc32c"]) == (f"crc32c=:{digest}:", digest)
    for wanted, cut in (("1-3", slice(1, 4)), ("2-", slice(2, None)), ("-2", slice(-2, None))):
        part = http.get(url, headers={"range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, whole.content[cut])
        assert part.headers["content-range"].endswith(f"/{size}")
        assert part.headers["repr-digest"] == headers["repr-digest"]  # of the whole file
        assert "x-amz-checksum-crc32c" not in part.headers  # S3 clients compare it with the bytes received
    several = http.get(url, headers={"range": "bytes=0-0,2-2"})
    assert (several.status_code, several.content) == (200, whole.content)
    for condition in ("if-none-match", "if-modified-since"):
        value = headers["etag"] if condition == "if-none-match" else headers["last-modified"]
        unchanged = http.get(url, headers={condition: value})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    check_problem(http.get(url, headers={"if-match": '"other"'}), 412, "PRECONDITION_FAILED")
    outside = http.get(url, headers={"range": f"bytes={size}-"})
    check_problem(outside, 416, "RANGE_NOT_SATISFIABLE")
    assert outside.headers["content-range"] == f"bytes */{size}"
    head = http.head(url)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", headers["etag"])
    for field in ("repr-digest", "x-amz-checksum-crc32c"):
        assert head.headers[field] == headers[field]
    changed = http.get(url, headers={"range": "bytes=1-3", "if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole.content)


@pytest.mark.parametrize("path", FORMS)
def test_forms(http: httpx.Client, path: str) -> None:
    method = _method(path)
    check_problem(http.request(method, path, json={}), 415, "UNSUPPORTED_MEDIA_TYPE")
    no_file = http.request(method, path, files={"title": (None, "x")}, data=FORMS[path])
    check_problem(no_file, 422, "INVALID_FIELD")
    whole = httpx.Request(method, "http://x", data=FORMS[path], files=upload())
    body = whole.read()
    for cut in (body[:-8], body[: len(body) // 2]):
        kind = {"content-type": whole.headers["content-type"]}
        check_problem(http.request(method, path, content=cut, headers=kind), 400, "UPLOAD_INCOMPLETE")
    assert http.get("/api/v1/s3/files").json()["files"] == []


@pytest.mark.parametrize("path", FORMS)
def test_a_repeated_form(http: httpx.Client, path: str) -> None:
    key = {"idempotency-key": f"k-{uuid.uuid4()}"}

    def send(name: str = "cat.png") -> httpx.Response:
        return http.request(_method(path), path, data=FORMS[path], files=upload(name=name), headers=key)

    first, again = send(), send()
    assert first.status_code == again.status_code < 300
    assert set(first.json()) == set(again.json())
    check_problem(send("other.png"), 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("way", NO_ID)
def test_what_is_no_id(http: httpx.Client, way: str) -> None:
    """A malformed id names nothing, like an id that does not exist."""
    method, _, path = way.partition(" ")
    for name in ("none", str(uuid.uuid4())):
        check_problem(http.request(method, path.format(name)), 404, "FILE_NOT_FOUND")


def test_what_is_no_event(http: httpx.Client) -> None:
    check_problem(http.get("/api/v1/events/none/media"), 422, "INVALID_FIELD")
    reply = http.post("/api/v1/events/none/media", files=upload())
    check_problem(reply, 422, "INVALID_FIELD")


@pytest.mark.parametrize("path", ["/api/generations", f"/api/v1/events/{EVENT}/media"])
def test_lists(http: httpx.Client, path: str) -> None:
    skip = "offset" if "generations" in path else "skip"
    for name, value in ((skip, -1), (skip, "x"), ("limit", "x"), ("limit", -1)):
        check_problem(http.get(path, params={name: value}), 422, "INVALID_FIELD")
    far = check_problem(http.get(path, params={skip: 100_001}), 422, "INVALID_FIELD")
    assert (far["metadata"]["field"], "page_token" in far["detail"]) == (skip, True)
    assert http.get(path, params={skip: 100_000, "limit": 5000}).json()["limit"] == 100
    check_problem(http.get(path, params={"page_token": "none"}), 422, "INVALID_PAGE_TOKEN")
