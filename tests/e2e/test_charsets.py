"""Every route states a text's encoding, however the text was uploaded."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from tests.e2e import samples
from tests.e2e.belongings import TUS
from tests.e2e.chromium import open_page
from tests.stack import RunningStack, until

TEXT: Final = "é 日本"
KINDS: Final = [
    ("text/plain", TEXT.encode(), "text/plain; charset=utf-8"),
    ("text/plain; charset=ISO-8859-1", "é".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    ("text/html", "é".encode("latin-1"), "text/html"),
    ("image/svg+xml", f"<svg>{TEXT}</svg>".encode(), "image/svg+xml; charset=utf-8"),
    ("application/json", b"{}", "application/json"),
]


@pytest.mark.parametrize(("declared", "body", "told"), KINDS)
def test_files(http: httpx.Client, declared: str, body: bytes, told: str) -> None:
    stored = http.post("/api/v1/s3/upload", files={"file": ("a", body, declared)}).json()
    path = f"/api/v1/s3/file/{quote(stored['key'])}"
    assert stored["content_type"] == stored["metadata"]["content_type"] == told.partition(";")[0]
    assert http.get(path).headers["content-type"] == told
    assert http.head(path).headers["content-type"] == told
    assert httpx.get(http.get(f"{path}/url").json()["url"], trust_env=False).headers["content-type"] == told


def test_grpc_tells_it_apart(stack: RunningStack, http: httpx.Client, user: str) -> None:
    declared, body, _ = KINDS[1]
    stored = http.post("/api/v1/s3/upload", files={"file": ("a", body, declared)}).json()
    with stack.channel("metadata") as channel:
        bearer = (("authorization", f"Bearer {stack.token(user)}"),)
        file = FileServiceStub(channel).GetFile(GetFileRequest(key=stored["key"]), metadata=bearer).file
    assert (file.content_type, file.charset) == ("text/plain", "iso-8859-1")


def test_a_tus_upload(http: httpx.Client) -> None:
    body, told = KINDS[1][1:]
    kind = base64.b64encode(KINDS[1][0].encode()).decode()
    made = http.post(
        "/files",
        headers={**TUS, "upload-length": str(len(body)), "upload-metadata": f"filetype {kind},filename YQ=="},
    )
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    more = {**TUS, "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    done = http.patch(where, content=body, headers=more)
    assert done.status_code == 204, done.text
    (listed,) = http.get("/api/v1/s3/files").json()["files"]
    assert listed["content_type"] == "text/plain"
    assert http.get(f"/api/v1/s3/file/{quote(listed['key'])}").headers["content-type"] == told


def test_projects(http: httpx.Client) -> None:
    files = {"index.html": TEXT, "a.css": "", "a.json": "{}", "a.txt": TEXT}
    told = {
        "index.html": "text/html; charset=utf-8",
        "a.css": "text/css; charset=utf-8",
        "a.txt": "text/plain; charset=utf-8",
        "a.json": "application/json",
    }
    saved, packed = f"p-{uuid.uuid4().hex}", f"z-{uuid.uuid4().hex}"
    tree = [{"path": path, "content": content} for path, content in files.items()]
    reply = http.post("/api/projects/save", json={"name": "x", "slug": saved, "files": tree})
    assert reply.status_code == 200, reply.text
    archive = samples.zip_of({path: content.encode() for path, content in files.items()})
    kind = {"content-type": "application/zip"}
    reply = http.post(f"/api/projects/{packed}/archive", content=archive, headers=kind)
    assert reply.status_code == 200, reply.text
    for slug in (saved, packed):
        for path, wanted in told.items():
            assert http.get(f"/api/projects/{slug}/files/{path}").headers["content-type"] == wanted
            assert http.get(f"/api/sandbox-preview/{slug}/{path}").headers["content-type"] == wanted
    assert http.post(f"/api/projects/{saved}/rollback", json={"version": 1}).status_code == 200
    assert http.get(f"/api/projects/{saved}/files/a.txt").headers["content-type"] == told["a.txt"]


def test_a_page_without_meta_is_read_as_utf8(http: httpx.Client, tmp_path: Path) -> None:
    slug = f"p-{uuid.uuid4().hex}"
    page = f"<!doctype html><title>x</title><p>{TEXT}"
    tree = {"name": "x", "slug": slug, "files": [{"path": "index.html", "content": page}]}
    assert http.post("/api/projects/save", json=tree).status_code == 200
    (listed,) = http.get("/api/projects").json()["projects"]
    with open_page(listed["preview_url"]) as shown:
        assert (
            until("the page is there", lambda: shown.value("document.body && document.body.innerText"))
            == TEXT
        )
        assert shown.value("document.characterSet") == "UTF-8"
