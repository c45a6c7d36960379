"""Family D: golden bodies of every answer."""

from __future__ import annotations

import base64
import gzip
import io
import json
import uuid
import zipfile
from typing import Any, Final

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.shapes import TEXT, TIME, check, check_problem

PATH: Final = "/api/projects"
ONE: Final = {"index.html": b"<h1>1</h1>", "src/app.py": b"import flask", "cat.png": samples.png()}
TWO: Final = {**ONE, "index.html": b"<h1>2</h1>", "requirements.txt": b"flask==3.0\n"}
ZIP: Final = {"content-type": "application/zip"}


@pytest.fixture
def slug() -> str:
    return f"p-{uuid.uuid4().hex}"


def tree(files: dict[str, bytes]) -> list[dict[str, str]]:
    """The files as in JSON: text unchanged, all other files as base64."""
    found = []
    for path, content in files.items():
        try:
            found.append({"path": path, "content": content.decode(), "encoding": "utf-8"})
        except UnicodeDecodeError:
            text = base64.b64encode(content).decode()
            found.append({"path": path, "content": text, "encoding": "base64"})
    return found


def save(http: httpx.Client, slug: str, files: dict[str, bytes] = ONE, **more: Any) -> httpx.Response:
    body = {"name": "My site", "slug": slug, "files": tree(files)}
    return http.post(f"{PATH}/save", json=body, **more)


def saved(user: str, slug: str, version: int, files: int, name: str = "My site") -> dict[str, Any]:
    """The answer of a save."""
    project = {"name": name, "slug": slug, "user_id": user, "files_count": files, "version": version}
    return {"success": True, "message": TEXT, "project": project}


def read(http: httpx.Client, slug: str, **params: Any) -> dict[str, bytes]:
    """The files of a version."""
    reply = http.get(f"{PATH}/{slug}", params=params)
    assert reply.status_code == 200, reply.text
    return {
        file["path"]: base64.b64decode(file["content"])
        if file["encoding"] == "base64"
        else file["content"].encode()
        for file in reply.json()["project"]["files"]
    }


def test_saving(http: httpx.Client, user: str, slug: str) -> None:
    for version, files in enumerate((ONE, TWO, TWO), 1):
        reply = save(http, slug, files)
        assert reply.status_code == 200, reply.text
        check(reply.json(), saved(user, slug, version, len(files)))
        assert reply.json()["message"] == "Project saved successfully"
    assert (read(http, slug, version=1), read(http, slug)) == (ONE, TWO)


def test_a_tree_may_come_and_go_compressed(http: httpx.Client, user: str, slug: str) -> None:
    files = {**ONE, "long.txt": b"ab\n" * 100_000}
    body = {"name": "My site", "slug": slug, "files": tree(files)}
    sent = {"content-type": "application/json", "content-encoding": "gzip"}
    packed = gzip.compress(json.dumps(body).encode())
    reply = http.post(f"{PATH}/save", content=packed, headers=sent)
    check(reply.json(), saved(user, slug, 1, 4))
    cut = http.post(f"{PATH}/save", content=packed[:-9], headers=sent)
    check_problem(cut, 400, "MALFORMED_REQUEST")
    bomb = gzip.compress(b'{"name": "a", "slug": "' + slug.encode() + b'", "files": [' + b" " * (64 << 20))
    check_problem(http.post(f"{PATH}/save", content=bomb, headers=sent), 413, "SIZE_LIMIT_EXCEEDED")
    for coding in ("gzip", "identity"):
        found = http.get(f"{PATH}/{slug}", headers={"accept-encoding": coding})
        assert found.headers.get("content-encoding", "identity") == coding
        assert (found.num_bytes_downloaded < 50_000) is (coding == "gzip")
        assert {file["path"] for file in found.json()["project"]["files"]} == set(files)
    assert read(http, slug) == files


def test_a_list_is_sent_again_only_after_a_change(http: httpx.Client, slug: str) -> None:
    save(http, slug)
    for path in (PATH, "/api/project-history", f"{PATH}/{slug}/versions"):
        first = http.get(path)
        asked = {"if-none-match": first.headers["etag"]}
        assert http.get(path, headers=asked).status_code == 304
        save(http, slug, TWO if path == PATH else ONE)
        assert http.get(path, headers=asked).status_code == 200


def test_the_version_that_was_seen(http: httpx.Client, user: str, slug: str) -> None:
    check(save(http, slug, params={"expected_version": 0}).json(), saved(user, slug, 1, 3))
    for seen in (0, 2):
        check_problem(save(http, slug, TWO, params={"expected_version": seen}), 409, "VERSION_CONFLICT")
    check(save(http, slug, TWO, params={"expected_version": 1}).json(), saved(user, slug, 2, 4))


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({"../etc/passwd": b""}, 422, "PATH_INVALID"),
        ({"/a": b""}, 422, "PATH_INVALID"),
        ({"a//b": b""}, 422, "PATH_INVALID"),
        ({"a" * 1025: b""}, 422, "INVALID_FIELD"),
        ({"a": b"a" * ((10 << 20) + 1)}, 413, "SIZE_LIMIT_EXCEEDED"),
        ({"a": b"a" * (17 << 20)}, 413, "PROJECT_LIMIT_EXCEEDED"),
    ],
)
def test_what_is_refused_saves_nothing(
    http: httpx.Client, slug: str, files: dict[str, bytes], status: int, code: str
) -> None:
    assert save(http, slug).status_code == 200
    check_problem(save(http, slug, {"new.txt": b"new", **files}), status, code)
    assert read(http, slug) == ONE
    assert len(http.get(f"{PATH}/{slug}/versions").json()["versions"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"name": "x", "slug": "s", "files": [{"path": "a", "content": "b"}]', 400),
        (b"[]", 422),
        (b'{"slug": "s", "files": []}', 422),
        (b'{"name": "x", "slug": "No Slug", "files": []}', 422),
        (b'{"name": "x", "slug": "s", "files": [{"path": "a"}]}', 422),
        (b'{"name": "x", "slug": "s", "files": [{"path": "a", "content": "?", "encoding": "base64"}]}', 422),
    ],
)
def test_what_is_no_save(http: httpx.Client, body: bytes, status: int) -> None:
    reply = http.post(f"{PATH}/save", content=body, headers={"content-type": "application/json"})
    check_problem(reply, status, "MALFORMED_REQUEST" if status == 400 else "INVALID_FIELD")
    assert http.get(PATH).json()["count"] == 0


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""])
def test_a_save_is_declared_as_json(http: httpx.Client, slug: str, kind: str) -> None:
    """Pages of other origins can send these types without asking."""
    body = json.dumps({"name": slug, "slug": slug, "files": []}).encode()
    reply = http.post(f"{PATH}/save", content=body, headers={"content-type": kind})
    check_problem(reply, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert http.get(PATH).json()["count"] == 0


def test_a_repeated_save(http: httpx.Client, slug: str) -> None:
    key = {"idempotency-key": f"save-{slug}"}
    first = save(http, slug, headers=key)
    assert save(http, slug, headers=key).json() == first.json()
    check_problem(save(http, slug, TWO, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert read(http, slug) == ONE


def test_the_executable_bit(http: httpx.Client, slug: str) -> None:
    def send(*files: dict[str, Any]) -> list[dict[str, Any]]:
        body = {"name": "n", "slug": slug, "files": [{"content": "#!", **file} for file in files]}
        assert http.post(f"{PATH}/save", json=body).status_code == 200
        tree: list[dict[str, Any]] = http.get(f"{PATH}/{slug}").json()["project"]["files"]
        return [file for file in tree if file.get("executable")]

    told = {"path": "run.sh", "content": "#!", "encoding": "utf-8", "executable": True}
    assert send({"path": "run.sh", "executable": True}, {"path": "plain"}) == [told]
    assert send({"path": "run.sh"}, {"path": "plain", "executable": False}) == [told]
    assert send({"path": "run.sh", "executable": False}, {"path": "plain"}) == []


def test_saving_a_zip(http: httpx.Client, user: str, slug: str) -> None:
    def send(files: dict[str, bytes], **params: Any) -> httpx.Response:
        return http.post(f"{PATH}/{slug}/archive", content=samples.zip_of(files), headers=ZIP, params=params)

    check(send(ONE).json(), saved(user, slug, 1, 3, name=slug))
    check(send(TWO, name="Other", expected_version=1).json(), saved(user, slug, 2, 4, name="Other"))
    assert read(http, slug) == TWO
    check_problem(send(ONE, expected_version=1), 409, "VERSION_CONFLICT")
    check_problem(send({"../a": b"x"}), 422, "ARCHIVE_INVALID")
    reply = http.post(f"{PATH}/{slug}/archive", content=b"no zip", headers=ZIP)
    assert check_problem(reply, 422, "ARCHIVE_INVALID")["metadata"]["rule"]
    reply = http.post(f"{PATH}/{slug}/archive", json={})
    check_problem(reply, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert read(http, slug) == TWO


def listed(slug: str, version: int, files: dict[str, bytes]) -> dict[str, Any]:
    """A project in a list."""
    return {
        "name": "My site", "slug": slug, "created_date": float,
        "created_date_formatted": lambda text: len(text) == len("2026-01-02 03:04"),
        "preview_url": lambda url: url.startswith("http://") and "/api/preview/" in url and url.endswith("/"),
        "editor_url": f"/project/{slug}", "has_frontend": True, "has_backend": True,
        "tech_stack": lambda stack: "Python" in stack, "file_count": len(files), "version": version,
        "updated_at": TIME,
    }  # fmt: skip


@pytest.mark.parametrize("path", [PATH, "/api/project-history"])
def test_the_list(http: httpx.Client, slug: str, path: str) -> None:
    assert http.get(path).json() == {"success": True, "projects": [], "count": 0, "next_page_token": None}
    slugs = [f"{slug}-{number}" for number in range(3)]
    for one in slugs:
        save(http, one)
    save(http, slugs[0], TWO)
    page = http.get(path, params={"limit": 2}).json()
    projects = [listed(slugs[0], 2, TWO), listed(slugs[2], 1, ONE)]
    check({**page, "projects": []}, {"success": True, "projects": [], "count": 3, "next_page_token": TEXT})
    assert len(page["projects"]) == 2
    for found, shape in zip(page["projects"], projects, strict=True):
        check(found, shape)
    assert "Flask" in page["projects"][0]["tech_stack"]
    rest = http.get(path, params={"limit": 500, "page_token": page["next_page_token"]}).json()
    assert ([one["slug"] for one in rest["projects"]], rest["next_page_token"]) == ([slugs[1]], None)
    for params in ({"limit": "x"}, {"limit": -1}):
        check_problem(http.get(path, params=params), 422, "INVALID_FIELD")
    check_problem(http.get(path, params={"page_token": "none"}), 422, "INVALID_PAGE_TOKEN")


def test_one(http: httpx.Client, user: str, slug: str) -> None:
    save(http, slug)
    save(http, slug, TWO)
    metadata = {"created_date": TIME, "updated_date": TIME, "user_id": user, "project_slug": slug}
    for version, files in ((1, ONE), (2, TWO)):
        reply = http.get(f"{PATH}/{slug}", params={"version": version})
        in_order = sorted(tree(files), key=lambda file: file["path"])
        project = {"name": "My site", "slug": slug, "version": version, "files": list, "metadata": metadata}
        check(reply.json(), {"success": True, "project": project})
        assert reply.json()["project"]["files"] == in_order
    assert http.get(f"{PATH}/{slug}").json()["project"]["version"] == 2
    check_problem(http.get(f"{PATH}/{slug}", params={"version": 3}), 404, "VERSION_NOT_FOUND")
    check_problem(http.get(f"{PATH}/{slug}", params={"version": 0}), 422, "INVALID_FIELD")
    check_problem(http.get(f"{PATH}/none"), 404, "PROJECT_NOT_FOUND")


def test_as_a_zip(http: httpx.Client, slug: str) -> None:
    save(http, slug)
    save(http, slug, {"ü/leer": b"", "a": b"a"})
    for params, files in (({"version": 1}, ONE), ({}, {"ü/leer": b"", "a": b"a"})):
        reply = http.get(f"{PATH}/{slug}/archive", params=params)
        assert (reply.status_code, reply.headers["content-type"]) == (200, "application/zip")
        assert reply.headers["content-disposition"] == f'attachment; filename="{slug}.zip"'
        with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name) for name in archive.namelist()} == files
    check_problem(http.get(f"{PATH}/{slug}/archive", params={"version": 3}), 404, "VERSION_NOT_FOUND")


def test_one_file(http: httpx.Client, slug: str) -> None:
    save(http, slug)
    save(http, slug, TWO)
    url = f"{PATH}/{slug}/files/index.html"
    whole = http.get(url)
    assert (whole.status_code, whole.content) == (200, TWO["index.html"])
    assert whole.headers["content-security-policy"].startswith("sandbox")
    assert whole.headers["content-disposition"] == 'attachment; filename="index.html"'
    assert http.get(url, params={"version": 1}).content == ONE["index.html"]
    part = http.get(url, headers={"range": "bytes=4-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"2", "bytes 4-4/10")
    assert http.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    check_problem(http.get(url, headers={"if-match": '"x"'}), 412, "PRECONDITION_FAILED")
    check_problem(http.get(url, headers={"range": "bytes=10-"}), 416, "RANGE_NOT_SATISFIABLE")
    head = http.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    check_problem(http.get(f"{PATH}/{slug}/files/none"), 404, "FILE_NOT_FOUND")
    check_problem(http.get(url, params={"version": 3}), 404, "VERSION_NOT_FOUND")
    check_problem(http.get(f"{PATH}/none/files/a"), 404, "PROJECT_NOT_FOUND")


def test_the_preview_with_a_token(http: httpx.Client, slug: str) -> None:
    save(http, slug)
    for path in ("", "/", "/index.html"):
        url = f"/api/sandbox-preview/{slug}{path}"
        whole = http.get(url)
        assert (whole.status_code, whole.content) == (200, ONE["index.html"])
        assert whole.headers["content-security-policy"].startswith("sandbox allow-scripts;")
        assert whole.headers["content-disposition"] == "inline"
        assert http.get(url, headers={"range": "bytes=0-3"}).status_code == 206
        assert http.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    check_problem(http.get(f"/api/sandbox-preview/{slug}/none"), 404, "FILE_NOT_FOUND")


def test_versions_are_named_with_the_save_and_afterwards(http: httpx.Client, slug: str) -> None:
    said = {"version_name": "Launch", "message": "as shown", "tags": "release, v1,release"}
    assert save(http, slug, params=said).is_success
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "a")
    zipped = http.post(f"{PATH}/{slug}/archive", params=said, content=packed.getvalue(), headers=ZIP)
    patched = http.patch(f"{PATH}/{slug}", params=said, json={"removed": ["a.txt"]})
    rolled = http.post(f"{PATH}/{slug}/rollback", params=said, json={"version": 1})
    assert [reply.status_code for reply in (zipped, patched, rolled)] == [200, 200, 200]

    def labels() -> list[tuple[str | None, str, list[str]]]:
        found = http.get(f"{PATH}/{slug}/versions").json()["versions"]
        return [(one["name"], one["message"], one["tags"]) for one in found]

    assert labels() == [("Launch", "as shown", ["release", "v1"])] * 4
    edited = http.patch(f"{PATH}/{slug}/versions/2", json={"name": None, "tags": ["old"]})
    assert edited.json()["version"] == http.get(f"{PATH}/{slug}/versions").json()["versions"][2]
    assert labels()[2] == (None, "as shown", ["old"])
    check_problem(http.patch(f"{PATH}/{slug}/versions/2", json={}), 422, "INVALID_FIELD")
    check_problem(http.patch(f"{PATH}/{slug}/versions/2", json={"tags": [""]}), 422, "INVALID_FIELD")
    for version in ("9", "0", "x", "99999999999999999999"):
        reply = http.patch(f"{PATH}/{slug}/versions/{version}", json={"name": "x"})
        check_problem(reply, 404, "VERSION_NOT_FOUND")
    said_otherwise = http.patch(f"{PATH}/{slug}", params=said, json={"removed": [], "message": "no"})
    check_problem(said_otherwise, 422, "INVALID_FIELD")
    assert said_otherwise.json()["errors"][0]["field"] == "message"
    long = save(http, slug, params={"version_name": "x" * 256})
    check_problem(long, 422, "INVALID_FIELD")
    assert long.json()["errors"][0]["field"] == "version_name"


def test_versions_are_named_in_bodies(http: httpx.Client, slug: str) -> None:
    said = {"version_name": "Launch", "message": "as shown", "tags": ["v1", "release", "v1"]}
    form = {**said, "tags": "v1, release,v1"}
    file = {"a.txt": ("a.txt", b"a")}
    tree = {"name": slug, "slug": slug, "files": [{"path": "b.txt", "content": "b"}], **said}
    replies = [
        http.post(f"{PATH}/save", json=tree),
        http.patch(f"{PATH}/{slug}", json={"removed": ["b.txt"], **said}),
        http.patch(f"{PATH}/{slug}", data=form, files=file),
        http.post(f"{PATH}/{slug}/rollback", json={"version": 1, **said}, params={"message": "as shown"}),
    ]
    assert [reply.status_code for reply in replies] == [200] * 4, [reply.text for reply in replies]
    found = http.get(f"{PATH}/{slug}/versions").json()["versions"]
    assert [(one["name"], one["message"], one["tags"]) for one in found] == [
        ("Launch", "as shown", ["v1", "release"])
    ] * 4
    assert http.patch(f"{PATH}/{slug}", json={"name": "x", "tags": None, "message": None}).is_success
    for wrong, field in (({"tags": "v1"}, "tags"), ({"tags": [1]}, "tags[0]"), ({"message": 1}, "message")):
        refused = http.patch(f"{PATH}/{slug}", json={"name": "x", **wrong})
        check_problem(refused, 422, "INVALID_FIELD")
        assert refused.json()["errors"][0]["field"] == field


def test_versions_and_rolling_back(http: httpx.Client, user: str, slug: str) -> None:
    save(http, slug)
    save(http, slug, {**TWO, "cat.png": samples.png()})
    reply = http.post(f"{PATH}/{slug}/rollback", json={"version": 1})
    check(reply.json(), saved(user, slug, 3, 3))
    assert read(http, slug) == ONE

    def version(number: int, *counts: int, back: int | None = None) -> dict[str, Any]:
        names = ("files_count", "total_bytes", "added", "changed", "removed")
        counted = dict(zip(names, counts, strict=True))
        unlabelled: dict[str, Any] = {"name": None, "message": None, "tags": []}
        return {"version": number, "created_at": TIME, "rolled_back_to": back, **counted, **unlabelled}

    size = {id(files): sum(map(len, files.values())) for files in (ONE, TWO)}
    found = http.get(f"{PATH}/{slug}/versions").json()
    shapes = [
        version(3, 3, size[id(ONE)], 0, 1, 1, back=1),
        version(2, 4, size[id(TWO)], 1, 1, 0),
        version(1, 3, size[id(ONE)], 3, 0, 0),
    ]
    assert (found["success"], set(found), len(found["versions"])) == (True, {"success", "versions"}, 3)
    for one, shape in zip(found["versions"], shapes, strict=True):
        check(one, shape)

    def roll_back(body: dict[str, Any], at: str = slug) -> httpx.Response:
        return http.post(f"{PATH}/{at}/rollback", json=body)

    check_problem(roll_back({"version": 9}), 404, "VERSION_NOT_FOUND")
    check_problem(roll_back({"version": 2, "expected_version": 2}), 409, "VERSION_CONFLICT")
    check_problem(roll_back({"version": "2"}), 422, "INVALID_FIELD")
    check_problem(roll_back({"version": 1}, "none"), 404, "PROJECT_NOT_FOUND")
    reply = http.post(f"{PATH}/{slug}/rollback", content=b"{", headers={"content-type": "application/json"})
    check_problem(reply, 400, "MALFORMED_REQUEST")


def test_deleting(http: httpx.Client, slug: str) -> None:
    save(http, slug)
    done = {"success": True, "message": "Project deleted successfully"}
    check(http.delete(f"{PATH}/{slug}").json(), done)
    check_problem(http.delete(f"{PATH}/{slug}"), 404, "PROJECT_NOT_FOUND")
    check_problem(http.get(f"{PATH}/{slug}/versions"), 404, "PROJECT_NOT_FOUND")
    assert json.loads(http.get(PATH).text)["projects"] == []
    assert save(http, slug).json()["project"]["version"] == 1


@pytest.mark.parametrize("path", ["\u65e5" * 250, "a" * 990, "=" * 400, "\U0001f600/" * 90 + "a"])
def test_paths_that_the_store_cannot_hold(http: httpx.Client, slug: str, path: str) -> None:
    """The embedded store keeps names in file attributes; S3's own limit is higher."""
    problem = check_problem(save(http, slug, {"a": b"1", path: b"2"}), 422, "PATH_INVALID")
    assert problem["metadata"]["rule"] in ("max_store_key_bytes", "max_key_bytes")
    assert http.get(f"{PATH}/{slug}").status_code == 404
