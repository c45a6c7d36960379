"""Files of every family by id or key: edits, copies, moves, the trash, many at once, usage."""

from __future__ import annotations

import uuid
from base64 import b64encode
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings, upload
from tests.e2e.conftest import Login
from tests.e2e.shapes import ETAG, TIME, URL, UUID, check, check_problem

ALL: Final = "/api/v1/files"


@pytest.fixture
def owner(user: str, http: httpx.Client) -> Belongings:
    return Belongings(user, http)


def shape(**more: Any) -> dict[str, Any]:
    """A file of any family."""
    plain = {
        "id": UUID, "key": str, "family": "files", "filename": "cat.png", "content_type": "image/png",
        "size": len(samples.png()), "etag": ETAG, "generation": 1, "visibility": "private", "metadata": dict,
        "url": URL, "created_at": TIME, "updated_at": TIME, "expires_at": None, "deleted_at": None,
        "purge_at": None, "keep_until": None, "delete_after": None, "hold": None, "event_id": None,
        "title": None, "description": None, "tags": [],
        "generation_type": None, "prompt": None, "settings": None,
    }  # fmt: skip
    return {**plain, **more}


def at(name: str, suffix: str = "") -> str:
    """The path of a file by id or key."""
    return f"{ALL}/{quote(name, safe='')}{suffix}"


def to_path(http: httpx.Client, file: str, path: str, how: str = "copy", **more: Any) -> httpx.Response:
    """Copy or move a file to a path."""
    target = {"family": "path", "path": path}
    return http.post(at(file, f"/{how}"), json={"target": target, **more.pop("json", {})}, **more)


def test_one_file_of_each_family(owner: Belongings, user: str) -> None:
    http = owner.http
    plain = http.get(at(owner.file["key"]))
    check(plain.json(), shape(key=owner.file["key"]))
    assert plain.headers["etag"] == f'"{plain.json()["id"]}-1"'
    assert http.get(f"{ALL}/{owner.file['key']}").json()["id"] == plain.json()["id"]
    made = http.get(at(owner.generation["id"])).json()
    check(made, shape(family="generations", generation_type="text-to-image", prompt=user))
    media = http.get(at(owner.medium["id"].upper())).json()
    check(media, shape(family="event_media", title=user, tags=["x"], event_id=owner.event_id))
    for name in (str(uuid.uuid4()), "none", f"paths/{user}/none"):
        check_problem(http.get(at(name)), 404, "FILE_NOT_FOUND")
    for name in ("x" * 1025, "a%00b"):
        for path in (f"{ALL}/{name}", f"{ALL}/{name}/hold"):
            refused = http.delete(path)
            problem = check_problem(refused, 422, "INVALID_FIELD")
            assert [one["field"] for one in problem["errors"]] == ["file"]


def test_a_merge_patch(owner: Belongings) -> None:
    http, path = owner.http, at(owner.file["key"])
    kind = {"content-type": "application/merge-patch+json"}
    body = '{"filename": "ä.png", "visibility": "public", "metadata": {"team": "a", "draft": "1"}}'
    changed = http.patch(path, content=body, headers=kind)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["filename"], changed.json()["visibility"]) == ("ä.png", "public")
    assert changed.headers["etag"] == f'"{changed.json()["id"]}-2"'
    first = changed.json()["metadata"]
    assert (first["team"], first["draft"], first["original_filename"]) == ("a", "1", "cat.png")
    patch = {"metadata": {"draft": None, "stage": "2", "user_id": "forged", "none": None}}
    second = http.patch(path, json=patch).json()
    assert second["metadata"] == {**{k: v for k, v in first.items() if k != "draft"}, "stage": "2"}
    assert (second["filename"], second["visibility"], second["generation"]) == ("ä.png", "public", 3)
    bare = http.patch(path, json={"metadata": None, "visibility": "private"}).json()
    assert (set(bare["metadata"]) & {"team", "stage"}, bare["visibility"]) == (set(), "private")
    assert bare["metadata"]["user_id"] == owner.name
    assert bare["etag"] == owner.file["etag"]


def test_edits_of_event_media(owner: Belongings) -> None:
    http, path = owner.http, at(owner.medium["id"])
    edit = {"title": "T", "description": "D", "tags": ["b", "a", "b"], "metadata": {"k": "v"}}
    changed = http.patch(path, json=edit).json()
    assert (changed["title"], changed["description"], changed["tags"]) == ("T", "D", ["b", "a"])
    assert (changed["metadata"]["k"], changed["generation"]) == ("v", 2)
    cleared = http.patch(path, json={"title": None, "tags": None}).json()
    assert (cleared["title"], cleared["description"], cleared["tags"]) == (None, "D", [])


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": None}, "filename"),
        ({"filename": "x" * 256}, "filename"),
        ({"visibility": None}, "visibility"),
        ({"visibility": "everybody"}, "visibility"),
        ({"metadata": {"Team": "a"}}, "metadata"),
        ({"metadata": {"team": "x" * 1025}}, "metadata"),
        ({"metadata": {f"k{n}": "v" for n in range(33)}}, "metadata"),
        ({"title": "T"}, "title"),
        ({"tags": ["a"]}, "tags"),
        ({"size": 1}, "size"),
        ({}, "body"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_edits_that_are_refused(owner: Belongings, edit: dict[str, Any], field: str) -> None:
    problem = check_problem(owner.http.patch(at(owner.file["key"]), json=edit), 422, "INVALID_FIELD")
    assert problem["metadata"]["field"].startswith(field)
    assert owner.http.get(at(owner.file["key"])).json()["generation"] == 1


def test_if_match(owner: Belongings) -> None:
    http = owner.http
    for path in (at(owner.file["key"]), at(owner.generation["id"]), at(owner.medium["id"])):
        seen = http.get(path).headers["etag"]
        assert http.patch(path, json={"filename": "b.png"}, headers={"if-match": seen}).status_code == 200
        late = http.patch(path, json={"filename": "c.png"}, headers={"if-match": seen})
        problem = check_problem(late, 412, "PRECONDITION_FAILED")
        assert f'"{problem["metadata"]["actual"]}"' == http.get(path).headers["etag"] != seen
        for condition in ('"other"', f"W/{seen}"):
            headers = {"if-match": condition}
            check_problem(http.delete(path, headers=headers), 412, "PRECONDITION_FAILED")
        assert http.patch(path, json={"filename": "d.png"}, headers={"if-match": "*"}).status_code == 200
        now = http.get(path).headers["etag"]
        assert http.delete(path, headers={"if-match": f'"x", {now}'}).json()["deleted"] is True


def test_copies(owner: Belongings, user: str) -> None:
    http, source = owner.http, owner.file["key"]
    http.patch(at(source), json={"metadata": {"team": "a"}, "visibility": "public"})
    copied = to_path(http, source, "reports/ü.png")
    assert copied.status_code == 201, copied.text
    check(copied.json(), shape(family="path", key=f"paths/{user}/reports/ü.png"))
    assert copied.json()["metadata"]["team"] == "a"
    assert http.get(f"/api/v1/s3/file/{quote(copied.json()['key'])}").content == samples.png()
    problem = check_problem(to_path(http, source, "reports/ü.png"), 412, "PRECONDITION_FAILED")
    assert "exists already" in problem["detail"]
    replaced = to_path(http, source, "reports/ü.png", json={"replace": True, "metadata": {}})
    assert (replaced.json()["id"], replaced.json()["generation"]) == (copied.json()["id"], 2)
    assert "team" not in replaced.json()["metadata"]
    again = http.post(at(owner.generation["id"], "/copy"), json={"filename": "twin.png"}).json()
    check(
        again, shape(family="generations", generation_type="text-to-image", prompt=user, filename="twin.png")
    )
    event = str(uuid.uuid4())
    moved = {"target": {"family": "event_media", "event_id": event, "title": "T", "tags": ["a", "b"]}}
    media = http.post(at(owner.medium["id"], "/copy"), json=moved).json()
    assert (media["event_id"], media["title"], media["tags"]) == (event, "T", ["a", "b"])
    check_problem(http.post(at(copied.json()["key"], "/copy"), json={}), 422, "INVALID_FIELD")


def test_a_repeated_copy(owner: Belongings) -> None:
    http, key = owner.http, {"idempotency-key": f"k-{uuid.uuid4()}"}
    first = to_path(http, owner.file["key"], "a.png", headers=key)
    again = to_path(http, owner.file["key"], "a.png", headers=key)
    assert first.json()["id"] == again.json()["id"]
    other = to_path(http, owner.file["key"], "b.png", headers=key)
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    media = {"target": {"family": "generations", "type": "text-to-image"}}
    note = http.post("/api/v1/s3/upload", files=upload(b"text", "a.txt", "text/plain")).json()
    refused = http.post(at(note["key"], "/copy"), json=media)
    check_problem(refused, 422, "CONTENT_TYPE_NOT_ALLOWED")


@pytest.mark.parametrize("named", ["id", "key"])
@pytest.mark.parametrize("how", ["copy", "move"])
def test_a_repeat_is_answered_whatever_has_become_of_its_source(
    owner: Belongings, user: str, how: str, named: str
) -> None:
    """A move removes its source itself, and a copy's answer is based on its source."""
    http, key = owner.http, {"idempotency-key": f"k-{uuid.uuid4()}"}
    source = to_path(http, owner.file["key"], "source.png").json()[named]
    first = to_path(http, source, "a.png", how, headers=key)
    assert first.status_code == 201, first.text
    if how == "copy":
        edit = {"metadata": {"team": "b"}, "filename": "other.png", "visibility": "public"}
        assert http.patch(at(source), json=edit).status_code == 200
        assert to_path(http, source, "a.png", how, headers=key).json() == first.json()
        assert http.delete(at(source)).status_code == 200
    again = to_path(http, source, "a.png", how, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    check_problem(to_path(http, source, "b.png", how, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")
    other = "move" if how == "copy" else "copy"
    check_problem(to_path(http, source, "a.png", other, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")
    check_problem(to_path(http, source, "a.png", how), 404, "FILE_NOT_FOUND")
    fresh = {"idempotency-key": f"k-{uuid.uuid4()}"}
    check_problem(to_path(http, source, "c.png", how, headers=fresh), 404, "FILE_NOT_FOUND")
    assert http.get(f"/api/v1/s3/file/paths/{user}/a.png").content == samples.png()


@pytest.mark.parametrize("content", [samples.png(), b"other"], ids=["the same bytes", "others"])
def test_a_repeated_move_leaves_what_came_after_it(owner: Belongings, user: str, content: bytes) -> None:
    """A file stored at the old place since then is another file, with or without If-Match."""
    http, key = owner.http, {"idempotency-key": f"k-{uuid.uuid4()}"}
    source = to_path(http, owner.file["key"], "old.png").json()
    key["if-match"] = f'"{source["id"]}-1"'
    first = to_path(http, source["key"], "new.png", "move", headers=key)
    assert first.status_code == 201, first.text
    place = {"target": {"family": "path", "path": "old.png"}, "content_type": "", "size": len(content)}
    begun = http.post("/api/v1/uploads", json=place).json()
    (part,) = begun["parts"]
    assert httpx.put(part["url"], content=content, headers=part["headers"]).status_code == 200
    assert http.post(f"/api/v1/uploads/{begun['upload_id']}/complete", json={"parts": []}).status_code == 200
    for headers in (key, {**key, "if-match": "*"}):
        again = to_path(http, source["key"], "new.png", "move", headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
    assert http.get(f"/api/v1/s3/file/paths/{user}/old.png").content == content
    assert http.get(f"/api/v1/s3/file/paths/{user}/new.png").content == samples.png()


def test_moves(owner: Belongings, user: str) -> None:
    http = owner.http
    http.patch(at(owner.file["key"]), json={"metadata": {"team": "a"}, "visibility": "public"})
    usage = http.get("/api/v1/usage").json()
    moved = to_path(http, owner.file["key"], "a/b.png", "move").json()
    assert (moved["key"], moved["visibility"]) == (f"paths/{user}/a/b.png", "public")
    assert moved["metadata"]["team"] == "a"
    check_problem(http.get(at(owner.file["key"])), 404, "FILE_NOT_FOUND")
    check_problem(to_path(http, owner.file["key"], "c.png", "move"), 404, "FILE_NOT_FOUND")
    for path in ("a/b.png",):
        problem = check_problem(to_path(http, moved["key"], path, "move"), 422, "INVALID_FIELD")
        assert problem["metadata"]["field"] == "path"
    stale = {"if-match": f'"{moved["id"]}-7"'}
    check_problem(to_path(http, moved["key"], "c.png", "move", headers=stale), 412, "PRECONDITION_FAILED")
    seen = {"if-match": http.get(at(moved["id"])).headers["etag"]}
    assert to_path(http, moved["key"], "c.png", "move", headers=seen).status_code == 201
    assert http.get(f"/api/v1/s3/file/paths/{user}/c.png").content == samples.png()
    assert http.get("/api/v1/usage").json() == usage


def test_a_move_never_replaces_unasked(owner: Belongings, user: str) -> None:
    http = owner.http
    for name in ("a.png", "b.png"):
        to_path(http, owner.file["key"], name)
    check_problem(to_path(http, f"paths/{user}/a.png", "b.png", "move"), 412, "PRECONDITION_FAILED")
    names = [one["key"] for one in http.get("/api/v1/s3/files?prefix=paths/").json()["files"]]
    assert names == [f"paths/{user}/a.png", f"paths/{user}/b.png"]
    asked = to_path(http, f"paths/{user}/a.png", "b.png", "move", json={"replace": True})
    assert asked.json()["generation"] == 2
    check_problem(http.get(at(f"paths/{user}/a.png")), 404, "FILE_NOT_FOUND")


def test_at_a_full_quota(owner: Belongings, user: str, login: Login) -> None:
    """A request that adds no byte works on every route; one that adds a byte gets a 413 with the reason."""
    http, content = owner.http, samples.png()
    to_path(http, owner.file["key"], "a.png", "move")
    usage = http.get("/api/v1/usage").json()
    limits = {"limit_bytes": usage["used_bytes"], "limit_files": usage["file_count"]}
    root = login("root", roles=["admin"])
    assert root.put(f"/api/admin/quotas/{user}", json=limits).status_code == 200
    assert to_path(http, f"paths/{user}/a.png", "b.png", "move").status_code == 201
    pairs = {"family": "path", "path": "b.png", "filename": "b.png"}
    metadata = ",".join(f"{name} {b64encode(text.encode()).decode()}" for name, text in pairs.items())
    tus = {"tus-resumable": "1.0.0", "content-type": "application/offset+octet-stream"}
    sized = {**tus, "upload-metadata": metadata, "upload-length": str(len(content))}
    assert http.post("/files", content=content, headers=sized).status_code == 201
    unsized = {**tus, "upload-metadata": metadata, "upload-defer-length": "1"}
    place = http.post("/files", headers=unsized).headers["location"]
    ending = {**tus, "upload-offset": "0", "upload-length": str(len(content))}
    assert http.patch(place, content=content, headers=ending).status_code == 204
    target = {"family": "path", "path": "b.png"}
    larger = {"target": target, "filename": "b.png", "content_type": "image/png", "size": len(content) + 1}
    problem = check_problem(http.post("/api/v1/uploads", json=larger), 413, "QUOTA_EXCEEDED")
    assert f"would make it {usage['used_bytes'] + 1}" in problem["detail"]
    assert problem["metadata"] == {"limit": str(usage["used_bytes"]), "used": str(usage["used_bytes"])}
    assert http.get(at(f"paths/{user}/b.png")).json()["generation"] == 3
    assert http.get("/api/v1/usage").json()["used_bytes"] == usage["used_bytes"]


SOFT: Final = {"soft": "true"}


def test_the_trash(owner: Belongings) -> None:
    http = owner.http
    generation, medium, key = owner.generation["id"], owner.medium["id"], owner.file["key"]
    assert http.delete(f"/api/generations/{generation}", params=SOFT).json()["success"] is True
    media = f"/api/v1/events/{owner.event_id}/media"
    assert http.delete(f"{media}/{medium}", params=SOFT).status_code == 204
    plain = http.delete(f"/api/v1/s3/file/{key}", params=SOFT).json()
    check(plain, {"key": key, "deleted": True, "id": UUID, "purge_at": TIME})
    trash = http.get("/api/v1/trash").json()
    check(trash["files"][0], shape(key=key, url=None, deleted_at=TIME, purge_at=plain["purge_at"]))
    assert [one["id"] for one in trash["files"]] == [plain["id"], medium, generation]
    assert trash["next_page_token"] is None
    for path in (f"/api/generations/{generation}", f"{media}/{medium}", f"/api/v1/s3/file/{key}", at(medium)):
        check_problem(http.get(path), 404, "FILE_NOT_FOUND")
    assert http.get("/api/generations").json()["total"] == http.get("/api/v1/usage").json()["file_count"] == 0
    only = http.get("/api/v1/trash", params={"family": "generations"}).json()["files"]
    assert [one["id"] for one in only] == [generation]
    for made in (generation, medium, plain["id"]):
        back = http.post(f"/api/v1/trash/{made}/restore")
        assert (back.status_code, back.json()["deleted_at"]) == (200, None)
        check_problem(http.post(f"/api/v1/trash/{made}/restore"), 404, "FILE_NOT_FOUND")
    assert http.get(f"/api/v1/s3/file/{key}").content == samples.png()
    assert http.get("/api/generations").json()["total"] == 1


def test_pages_of_the_trash(owner: Belongings) -> None:
    http = owner.http
    made = [http.post(at(owner.generation["id"], "/copy"), json={}).json()["id"] for _ in range(5)]
    for one in made:
        http.delete(at(one), params=SOFT)
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page = http.get("/api/v1/trash", params={"limit": 2, "page_token": token}).json()
        seen += [one["id"] for one in page["files"]]
        token = page["next_page_token"]
        if len(seen) == 2:  # files deleted or purged meanwhile don't shift the rest
            http.delete(at(owner.generation["id"]), params=SOFT)
            assert http.delete(f"/api/v1/trash/{made[4]}").json() == {"id": made[4], "purged": True}
    assert seen == made[::-1]
    other = http.get("/api/v1/trash", params={"page_token": "x"})
    check_problem(other, 422, "INVALID_PAGE_TOKEN")
    for name, value in (("limit", "x"), ("limit", -1), ("family", "none")):
        check_problem(http.get("/api/v1/trash", params={name: value}), 422, "INVALID_FIELD")


def test_purging(owner: Belongings) -> None:
    http = owner.http
    live = owner.generation["id"]
    check_problem(http.delete(f"/api/v1/trash/{live}"), 404, "FILE_NOT_FOUND")
    doomed = [http.post(at(live, "/copy"), json={}).json() for _ in range(3)]
    for one in doomed:
        http.delete(at(one["id"]), params=SOFT)
    assert http.delete(f"/api/v1/trash/{doomed[0]['id']}").json()["purged"] is True
    check_problem(http.post(f"/api/v1/trash/{doomed[0]['id']}/restore"), 404, "FILE_NOT_FOUND")
    kept = http.delete("/api/v1/trash", params={"family": "files"}).json()
    assert kept == {"purged": 0, "bytes": 0, "more": False, "kept": 0}
    gone = http.delete("/api/v1/trash").json()
    assert gone == {"purged": 2, "bytes": 2 * len(samples.png()), "more": False, "kept": 0}
    assert http.get("/api/v1/trash").json()["files"] == []
    assert http.get("/api/generations").json()["total"] == 1


def test_the_place_of_a_deleted_file_is_taken(owner: Belongings) -> None:
    http = owner.http
    first = to_path(http, owner.file["key"], "a.png").json()
    assert http.delete(at(first["key"]), params=SOFT).json()["purge_at"]
    to_path(http, owner.file["key"], "a.png")
    check_problem(http.post(f"/api/v1/trash/{first['id']}/restore"), 409, "ALREADY_EXISTS")


def test_many_at_once(owner: Belongings, login: Login) -> None:
    http, key, nothing = owner.http, owner.file["key"], str(uuid.uuid4())
    theirs = Belongings("x", login(f"other-{uuid.uuid4()}")).generation["id"]
    body = {"files": [key, nothing, owner.generation["id"], theirs, "paths/none"], "soft": True}
    reply = http.post(f"{ALL}/batch-delete", json=body).json()
    assert [(one["file"], one["deleted"], one.get("code")) for one in reply["results"]] == [
        (key, True, None),
        (nothing, False, "FILE_NOT_FOUND"),
        (owner.generation["id"], True, None),
        (theirs, False, "FILE_NOT_FOUND"),
        ("paths/none", False, "FILE_NOT_FOUND"),
    ]
    assert (reply["deleted"], reply["failed"]) == (2, 3)
    assert len(http.get("/api/v1/trash").json()["files"]) == 2
    bad: dict[str, Any]
    for bad in ({"files": []}, {"files": [key, key]}, {"files": ["x"] * 1001}, {"files": [""]}, {}):
        check_problem(http.post(f"{ALL}/batch-delete", json=bad), 422, "INVALID_FIELD")


def test_links_to_many(owner: Belongings) -> None:
    http, nothing = owner.http, str(uuid.uuid4())
    body = {"file_ids": [owner.generation["id"], nothing], "keys": [owner.file["key"]], "expires_in": 0}
    links = http.post("/api/v1/links/batch", json=body).json()["links"]
    assert [one["file"] for one in links] == [owner.generation["id"], nothing, owner.file["key"]]
    assert links[1] == {"file": nothing, "url": None, "expires_at": None}
    for one in (links[0], links[2]):
        assert httpx.get(one["url"], trust_env=False).content == samples.png()
        assert one["expires_at"] is None
    check_problem(http.post("/api/v1/links/batch", json={}), 422, "INVALID_FIELD")


def test_usage(owner: Belongings, login: Login) -> None:
    empty = {"user_id": owner.name, "used_bytes": 0, "reserved_bytes": 0, "file_count": 0}
    limits = {"limit_bytes": None, "limit_files": None}
    assert owner.http.get("/api/v1/usage").json() == empty | limits
    assert owner.file
    size = {"used_bytes": len(samples.png()), "file_count": 1}
    assert owner.http.get("/api/v1/usage").json() == empty | size | limits
    admin = login("root", roles=["admin"])
    assert admin.get("/api/v1/usage", params={"user_id": owner.name}).json() == empty | size | limits
