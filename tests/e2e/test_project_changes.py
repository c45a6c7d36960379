"""Family D, PATCH: changes of a project, as JSON and as a form, with the version that the caller has seen."""

from __future__ import annotations

import gzip
import json
import uuid
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from strongroom import Client, errors
from strongroom.client.sync_families import SyncProjects
from tests.e2e.shapes import check, check_problem
from tests.e2e.test_projects import ONE, PATH, read, save, saved, tree
from tests.stack import RunningStack

JSON: Final = {"content-type": "application/json"}


@pytest.fixture
def slug(http: httpx.Client) -> str:
    """The slug of an existing project."""
    slug = f"p-{uuid.uuid4().hex}"
    assert save(http, slug).status_code == 200
    return slug


def patch(http: httpx.Client, slug: str, body: Any = None, **more: Any) -> httpx.Response:
    return http.patch(f"{PATH}/{slug}", json=body, **more)


def test_json(http: httpx.Client, user: str, slug: str) -> None:
    reply = patch(
        http, slug, {"files": tree({"index.html": b"2", "new.bin": b"\xff"}), "removed": ["cat.png"]}
    )
    check(reply.json(), saved(user, slug, 2, 3))
    assert read(http, slug) == {"index.html": b"2", "new.bin": b"\xff", "src/app.py": ONE["src/app.py"]}
    assert read(http, slug, version=1) == ONE
    version = http.get(f"{PATH}/{slug}/versions").json()["versions"][0]
    assert (version["added"], version["changed"], version["removed"]) == (1, 1, 1)


def test_only_the_name(http: httpx.Client, user: str, slug: str) -> None:
    check(patch(http, slug, {"name": "Yours"}).json(), saved(user, slug, 2, 3, name="Yours"))
    assert read(http, slug) == ONE


def test_a_form(http: httpx.Client, user: str, slug: str) -> None:
    files = [
        ("index.html", ("x.html", b"2")),
        ("src/new.py", ("new.py", b"")),
        ("removed", (None, b"cat.png")),
    ]
    files += [("expected_version", (None, b"1")), ("name", (None, "Grün".encode()))]
    check(http.patch(f"{PATH}/{slug}", files=files).json(), saved(user, slug, 2, 3, name="Grün"))
    assert read(http, slug) == {"index.html": b"2", "src/new.py": b"", "src/app.py": ONE["src/app.py"]}
    check_problem(http.patch(f"{PATH}/{slug}", files=files), 409, "VERSION_CONFLICT")


def test_a_form_whose_parts_say_nothing(http: httpx.Client, slug: str) -> None:
    for field in (("src/app.py", (None, b"text")), ("expected_version", (None, b"one"))):
        problem = check_problem(http.patch(f"{PATH}/{slug}", files=[field]), 422, "INVALID_FIELD")
        assert problem["metadata"]["field"] == field[0]
    twice = [("name", (None, b"a")), ("name", (None, b"b"))]
    check_problem(http.patch(f"{PATH}/{slug}", files=twice), 422, "INVALID_FIELD")
    assert read(http, slug) == ONE


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "INVALID_FIELD"),
        ({"expected_version": 1}, 422, "INVALID_FIELD"),
        ([], 422, "INVALID_FIELD"),
        ({"files": {}}, 422, "INVALID_FIELD"),
        ({"removed": "index.html"}, 422, "INVALID_FIELD"),
        ({"removed": [{"path": "index.html"}]}, 422, "INVALID_FIELD"),
        ({"removed": [None]}, 422, "INVALID_FIELD"),
        ({"files": [], "slug": "another"}, 422, "INVALID_FIELD"),
        ({"files": [], "expected_version": "1"}, 422, "INVALID_FIELD"),
        ({"files": [], "expected_version": 1.5}, 422, "INVALID_FIELD"),
        ({"files": [], "expected_version": -1}, 422, "INVALID_FIELD"),
        ({"files": [{"path": "../a", "content": ""}]}, 422, "PATH_INVALID"),
        ({"files": [{"path": "SRC/a", "content": ""}]}, 422, "PATH_INVALID"),
        ({"removed": ["nowhere"]}, 404, "FILE_NOT_FOUND"),
        ({"removed": ["src"]}, 404, "FILE_NOT_FOUND"),
        ({"removed": ["cat.png"], "expected_version": 2}, 409, "VERSION_CONFLICT"),
    ],
)
def test_what_is_refused_changes_nothing(
    http: httpx.Client, slug: str, body: Any, status: int, code: str
) -> None:
    check_problem(patch(http, slug, body), status, code)
    assert read(http, slug) == ONE


def test_bodies_that_are_no_changes(http: httpx.Client, slug: str) -> None:
    url = f"{PATH}/{slug}"
    check_problem(http.patch(url, content=b"x"), 415, "UNSUPPORTED_MEDIA_TYPE")
    check_problem(http.patch(url, content=b'{"files": [', headers=JSON), 400, "MALFORMED_REQUEST")
    check_problem(patch(http, "not-there", {"files": []}), 404, "PROJECT_NOT_FOUND")
    coded = JSON | {"content-encoding": "gzip"}
    packed = gzip.compress(json.dumps({"removed": ["cat.png"]}).encode())
    assert http.patch(url, content=packed, headers=coded).status_code == 200
    assert set(read(http, slug)) == {"index.html", "src/app.py"}


def test_the_version_seen_may_stand_behind_the_files(http: httpx.Client, slug: str) -> None:
    """The field may follow the files if these are few; with many it must come first."""
    few, many = tree({"a": b"x"}), tree({str(number): b"x" * (1 << 20) for number in range(12)})
    check_problem(patch(http, slug, {"files": few, "expected_version": 2}), 409, "VERSION_CONFLICT")
    check_problem(patch(http, slug, {"files": many, "expected_version": 1}), 400, "MALFORMED_REQUEST")
    check_problem(patch(http, slug, {"expected_version": 2, "files": many}), 409, "VERSION_CONFLICT")
    assert patch(http, slug, {"expected_version": 1, "files": many}).json()["project"]["files_count"] == 15


def test_a_conflict_tells_the_version(http: httpx.Client, slug: str) -> None:
    """In every request that changes a project."""
    ask: Any = {"params": {"expected_version": 7}}
    zipped: Any = {"content": b"PK\x05\x06" + bytes(18), "headers": {"content-type": "application/zip"}}
    conflicts = [
        save(http, slug, **ask),
        http.post(f"{PATH}/save", json={"name": "x", "slug": slug, "expected_version": 7, "files": []}),
        http.post(f"{PATH}/{slug}/archive", **zipped, **ask),
        patch(http, slug, {"files": []}, **ask),
        patch(http, slug, {"files": [], "expected_version": 7}),
        http.post(f"{PATH}/{slug}/rollback", json={"version": 1, "expected_version": 7}),
        http.delete(f"{PATH}/{slug}", **ask),
    ]
    for reply in conflicts:
        problem = check_problem(reply, 409, "VERSION_CONFLICT")
        assert problem["metadata"] == {"expected": "7", "actual": "1"}
    differing = patch(http, slug, {"files": [], "expected_version": 1}, **ask)
    check_problem(differing, 422, "INVALID_FIELD")
    assert http.delete(f"{PATH}/{slug}", params={"expected_version": 1}).status_code == 200


def test_a_repeat_is_answered_once(http: httpx.Client, slug: str) -> None:
    key = {"idempotency-key": uuid.uuid4().hex}
    body = {"files": tree({"a": b"1"}), "removed": ["cat.png"]}
    first = patch(http, slug, body, headers=key)
    assert first.json() == patch(http, slug, body, headers=key).json()
    check_problem(patch(http, slug, body | {"removed": []}, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert len(http.get(f"{PATH}/{slug}/versions").json()["versions"]) == 2


def test_python(stack: RunningStack, user: str, tmp_path: Path) -> None:
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    with Client(*addresses, token=stack.token(user), tls=False) as client:
        change_a_project(client.projects, tmp_path)


def change_a_project(projects: SyncProjects, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_bytes(b"import flask")
    projects.save(tmp_path, "site")
    saved = projects.patch("site", {"a.txt": b"1", "b/c.py": tmp_path / "src" / "app.py"})
    assert (saved.version.version, saved.sent, saved.version.added) == (2, 2, 2)
    with pytest.raises(errors.VersionConflict):
        projects.patch("site", {}, ["a.txt"], expected_version=1)
    assert projects.patch("site", {}, ["a.txt"], expected_version=2).version.removed == 1
    assert {file.path for file in projects.files("site")} == {"src/app.py", "b/c.py"}
    with pytest.raises(errors.VersionConflict):
        projects.delete("site", expected_version=1)
    assert projects.delete("site", expected_version=3).slug == "site"
