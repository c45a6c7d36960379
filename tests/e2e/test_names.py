"""A file's name and disposition are the same on every route with its bytes."""

from __future__ import annotations

import io
import uuid
import zipfile
from typing import Final
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.e2e import samples

PERSIAN: Final = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf"
FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467.pdf"
#: By the name of an upload: the name under which it is saved.
SAVED: Final = {
    PERSIAN: PERSIAN,
    FAMILY: FAMILY,
    "exe.\u202egpj.pdf": "exe._gpj.pdf",
    "Silben\u00adtrennung.pdf": "Silbentrennung.pdf",
    "résumé 100%.pdf": "résumé 100%.pdf",
}


def _upload(http: httpx.Client, name: str, body: bytes, kind: str) -> str:
    reply = http.post("/api/v1/s3/upload", files={"file": (name, body, kind)})
    assert reply.status_code == 201, reply.text
    return f"/api/v1/s3/file/{quote(reply.json()['key'])}"


def _signed(http: httpx.Client, path: str) -> httpx.Headers:
    url = http.get(f"{path}/url").json()["url"]
    with httpx.Client(trust_env=False, verify=False) as nobody:
        reply = nobody.get(url)
    assert reply.status_code == 200, reply.text
    return reply.headers


@pytest.mark.parametrize("name", SAVED)
def test_every_door_writes_a_name_alike(http: httpx.Client, name: str) -> None:
    path = _upload(http, name, samples.PDF, "application/pdf")
    doors = [http.get(path).headers, http.head(path).headers, _signed(http, path)]
    slug = f"p-{uuid.uuid4().hex}"
    tree = {"name": "x", "slug": slug, "files": [{"path": f"docs/{name}", "content": "%PDF-1.4\n"}]}
    if http.post("/api/projects/save", json=tree).status_code == 200:  # no invisible characters there
        doors.append(http.get(f"/api/projects/{slug}/files/docs/{quote(name)}").headers)
    else:
        assert SAVED[name] != name
    said = {headers["content-disposition"] for headers in doors}
    assert len(said) == 1
    value = said.pop()
    assert value.startswith("inline; ")
    extended = value.partition("filename*=UTF-8''")[2]
    assert (unquote(extended) or value.split('"')[1]) == SAVED[name]


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("text/plain", b"words", "attachment"),
        ("text/html", b"<p>", "attachment"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "attachment"),
        ("audio/opus", b"OggS" + bytes(30), "inline"),
        ("image/png", samples.png(), "inline"),
        ("application/zip", samples.zip_of({"a": b"1"}), "attachment"),
    ],
)
def test_every_door_shows_the_same_types(http: httpx.Client, kind: str, body: bytes, shown: str) -> None:
    path = _upload(http, "a", body, kind)
    assert http.get(path).headers["content-disposition"].partition(";")[0] == shown
    assert _signed(http, path)["content-disposition"].partition(";")[0] == shown


def test_a_path_is_found_in_the_form_in_which_its_owner_writes_it(http: httpx.Client, user: str) -> None:
    """MacOS takes names apart (NFD); keys are in NFC."""
    file = _upload(http, "a.txt", b"text", "text/plain")
    source = http.get(file.replace("/s3/file/", "/files/")).json()["id"]
    apart = "Cafe\u0301/re\u0301sume\u0301.txt"
    target = {"target": {"family": "path", "path": apart}}
    assert http.post(f"/api/v1/files/{source}/copy", json=target).status_code == 201
    folder, key = quote(f"paths/{user}/Cafe\u0301"), quote(f"paths/{user}/{apart}")
    assert http.get(f"/api/v1/s3/file/{key}").content == b"text"
    assert http.get(f"/api/v1/s3/file/{key}/exists").json()["exists"] is True
    for route, name in (("/api/v1/s3/files", "files"), ("/api/v1/files", "files")):
        for more in ({}, {"delimiter": "/"}):
            listed = http.get(route, params={"prefix": f"paths/{user}/Cafe\u0301/", **more}).json()[name]
            assert [one["key"] for one in listed] == [f"paths/{user}/Caf\u00e9/r\u00e9sum\u00e9.txt"]
    with zipfile.ZipFile(io.BytesIO(http.get(f"/api/v1/folders/{folder}/archive").content)) as archive:
        assert archive.namelist() == ["r\u00e9sum\u00e9.txt"]
    share = http.post("/api/v1/shares", json={"prefix": f"paths/{user}/Cafe\u0301/"}).json()
    with httpx.Client(trust_env=False, verify=False, timeout=60) as nobody:
        (shown,) = nobody.get(share["url"]).json()["files"]
        assert nobody.get(httpx.URL(share["url"]).join(shown["url"])).content == b"text"
    assert http.delete(f"/api/v1/s3/file/{key}", params={"soft": "true"}).status_code == 200
    assert http.get(f"/api/v1/s3/file/{key}/exists").json()["exists"] is False
    assert http.post(f"/api/v1/files/{source}/copy", json=target).status_code == 201
    assert http.delete(f"/api/v1/folders/{folder}").json()["deleted"] == 1
