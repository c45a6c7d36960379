"""Kept and held files over REST, the SDK and the command line."""

from __future__ import annotations

import base64
import io
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

from strongroom.client import Client, RetentionWish
from tests.e2e import samples
from tests.e2e.belongings import TUS, Belongings, project, upload
from tests.e2e.shapes import TIME, check, check_problem
from tests.e2e.test_library import at, to_path
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack


@pytest.fixture
def owner(user: str, http: httpx.Client) -> Belongings:
    return Belongings(user, http)


def test_a_held_file_at_every_route(owner: Belongings) -> None:
    http = owner.http
    folder = uuid.uuid4().hex
    held = to_path(http, owner.file["key"], f"{folder}/a.png").json()
    placed = http.put(at(held["key"], "/hold"), json={"reason": "case 7"})
    hold = {"reason": "case 7", "by_admin": False, "placed_at": TIME}
    check(placed.json(), {"keep_until": None, "delete_after": None, "hold": hold})
    assert http.get(at(held["id"])).json()["hold"] == placed.json()["hold"]
    for refused in (
        http.delete(at(held["id"])),
        http.delete(at(held["key"]), params={"soft": "true"}),
        http.delete(f"/api/v1/s3/file/{held['key']}"),
        http.delete(f"/api/v1/folders/{held['key'].rpartition('/')[0]}"),
        to_path(http, owner.file["key"], f"{folder}/a.png", json={"replace": True}),
        to_path(http, held["id"], f"{folder}/b.png", "move"),
    ):
        problem = check_problem(refused, 423, "RETENTION_HELD")
        assert problem["metadata"]["hold"] == "true"
    results = http.post("/api/v1/files/batch-delete", json={"files": [held["id"], owner.file["key"]]}).json()
    assert [one.get("code") for one in results["results"]] == ["RETENTION_HELD", None]
    assert http.patch(at(held["id"]), json={"filename": "b.png"}).json()["filename"] == "b.png"
    assert http.delete(at(held["id"], "/hold")).json()["hold"] is None
    assert http.delete(at(held["id"])).json()["deleted"] is True


def test_a_kept_project(owner: Belongings) -> None:
    http, at_project = owner.http, f"/api/projects/{owner.project}"
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    kept = http.patch(f"{at_project}/retention", json={"keep_until": until.isoformat()}).json()
    assert kept["keep_until"] == until.isoformat().replace("+00:00", "Z")
    problem = check_problem(http.delete(at_project), 423, "RETENTION_HELD")
    assert problem["metadata"] == {"until": kept["keep_until"]}
    earlier = {"keep_until": (until - timedelta(hours=1)).isoformat()}
    check_problem(http.patch(f"{at_project}/retention", json=earlier), 403, "PERMISSION_DENIED")
    for wrong in ({}, {"keep_until": "2020-01-01T00:00:00Z"}, {"delete_after": until.isoformat()}, {"x": 1}):
        check_problem(http.patch(f"{at_project}/retention", json=wrong), 422, "INVALID_FIELD")
    assert http.get(at_project).status_code == 200


#: The fields of an upload, as text.
WISH: Final = {"keep_for_seconds": "3600", "delete_after_seconds": "7200", "hold_reason": "case 7"}
MINUTE: Final = timedelta(minutes=1)
Door = Callable[[Belongings, Origin, dict[str, str]], httpx.Response]


def form(method: str, path: str, **data: str) -> Door:
    def send(owner: Belongings, _: Origin, wish: dict[str, str]) -> httpx.Response:
        at_event = path.replace("{event}", owner.event_id)
        return owner.http.request(method, at_event, data=data | wish, files=upload())

    return send


def by_tus(owner: Belongings, _: Origin, wish: dict[str, str]) -> httpx.Response:
    said = {"filename": "a.txt", **wish}
    pairs = ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in said.items())
    headers = TUS | {"upload-length": "3", "upload-metadata": pairs}
    headers |= {"content-type": "application/offset+octet-stream"}
    return owner.http.post("/files", headers=headers, content=b"abc")


def straight_to_the_store(owner: Belongings, _: Origin, wish: dict[str, str]) -> httpx.Response:
    begun = owner.http.post("/api/v1/uploads", json={"target": {"family": "files", **wish}, "size": 3})
    if begun.is_error:
        return begun
    (part,) = begun.json()["parts"]
    sent = httpx.put(part["url"], content=b"abc", headers=part["headers"], trust_env=False)
    parts = [{"part_number": 1, "etag": sent.headers["etag"]}]
    return owner.http.post(f"/api/v1/uploads/{begun.json()['upload_id']}/complete", json={"parts": parts})


def imported(owner: Belongings, origin: Origin, wish: dict[str, str]) -> httpx.Response:
    source = origin.script(uuid.uuid4().hex, answer(samples.png()))
    return owner.http.post("/api/generations", json={"url": source, "type": "text-to-image", **wish})


def copied(owner: Belongings, _: Origin, wish: dict[str, str]) -> httpx.Response:
    return owner.http.post(at(owner.file["key"], "/copy"), json={"target": {"family": "files"}, **wish})


def copied_by_its_target(owner: Belongings, _: Origin, wish: dict[str, str]) -> httpx.Response:
    return owner.http.post(at(owner.file["key"], "/copy"), json={"target": {"family": "files", **wish}})


DOORS: Final[dict[str, Door]] = {
    "files": form("POST", "/api/v1/s3/upload", folder="uploads"),
    "generations": form("POST", "/api/generations/upload", type="text-to-image"),
    "event media": form("POST", "/api/v1/events/{event}/media"),
    "profile picture": form("PUT", "/api/v1/users/me/profile-picture"),
    "tus": by_tus,
    "direct": straight_to_the_store,
    "import": imported,
    "copy": copied,
    "copy by its target": copied_by_its_target,
}


@pytest.mark.parametrize("door", DOORS)
def test_an_upload_says_how_long_it_stays(owner: Belongings, origin: Origin, door: str) -> None:
    for wrong in ({"keep_until": "2020-01-01T00:00:00Z"}, {"delete_after_seconds": "x"}):
        (name,) = wrong
        problem = check_problem(DOORS[door](owner, origin, wrong), 422, "INVALID_FIELD")
        assert name in problem["detail"]
    reply = DOORS[door](owner, origin, WISH)
    assert reply.status_code in {200, 201}, reply.text
    page = owner.http.get("/api/v1/files", params={"limit": "10"}).json()
    (shown,) = [file for file in page["files"] if file["hold"]]
    assert shown["hold"]["reason"] == "case 7"
    made = datetime.fromisoformat(shown["created_at"])
    for name, seconds in (("keep_until", 3600), ("delete_after", 7200)):
        assert (
            abs(datetime.fromisoformat(shown[name]) - made - timedelta(seconds=seconds)).total_seconds() < 60
        )
    check_problem(owner.http.delete(at(shown["id"])), 423, "RETENTION_HELD")


def test_a_retry_with_another_wish_is_another_request(owner: Belongings) -> None:
    def send(wish: dict[str, str]) -> httpx.Response:
        headers = {"idempotency-key": owner.name}
        return owner.http.post("/api/v1/s3/upload", data=wish, files=upload(), headers=headers)

    first = send(WISH)
    assert send(WISH).json()["key"] == first.json()["key"]
    for other in ({}, WISH | {"hold_reason": "case 8"}, WISH | {"keep_for_seconds": "3601"}):
        check_problem(send(other), 422, "IDEMPOTENCY_KEY_REUSED")


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "a")
    return packed.getvalue()


def test_a_save_says_how_long_its_project_stays(owner: Belongings) -> None:
    http = owner.http
    wish: dict[str, Any] = {"keep_for_seconds": 3600, "hold_reason": "case 7"}
    slugs = [f"p-{uuid.uuid4().hex}" for _ in range(3)]
    files = {"files": [{"path": "b.txt", "content": "b"}]}
    type_of = {"content-type": "application/zip"}
    for slug in slugs[::2]:
        assert http.post("/api/projects/save", json=project(slug)).status_code == 200
    for reply in (
        http.patch(f"/api/projects/{slugs[0]}", json=files | wish),
        http.post(f"/api/projects/{slugs[1]}/archive", params=wish, content=zipped(), headers=type_of),
        http.post("/api/projects/save", json=project(slugs[2]) | wish),
    ):
        assert reply.status_code == 200, reply.text
    for slug in slugs:
        check_problem(http.delete(f"/api/projects/{slug}"), 423, "RETENTION_HELD")
        shown = http.get(f"/api/projects/{slug}").json()["project"]
        check(shown["keep_until"], TIME)
        check(shown["hold"], {"reason": "case 7", "by_admin": False, "placed_at": TIME})
    for wrong in ({"keep_until": "2020-01-01T00:00:00Z"}, {"keep_until": "x"}, {"keep_for_seconds": -1}):
        check_problem(http.post("/api/projects/save", json=project(slugs[0]) | wrong), 422, "INVALID_FIELD")


def test_a_drop_says_it_for_its_guests(owner: Belongings) -> None:
    asked = {"path": "in", **WISH}
    made = owner.http.post("/api/v1/shares", json={"drop": asked}).json()
    assert made["drop"]["retention"] == {
        "keep_until": None,
        "keep_for_seconds": 3600,
        "delete_after": None,
        "delete_after_seconds": 7200,
        "hold_reason": "case 7",
    }
    guest = httpx.Client(base_url=str(owner.http.base_url), trust_env=False)
    with guest:
        put = guest.post(
            f"/s/{made['url'].rpartition('/')[2]}/files", files=upload(), data={"hold_reason": "x"}
        )
    assert put.status_code == 201, put.text
    (file,) = owner.http.get("/api/v1/files").json()["files"]
    assert file["hold"]["reason"] == "case 7"
    assert file["hold"]["by_admin"] is False


def test_the_sdk_says_it(stack: RunningStack, user: str) -> None:
    wish = RetentionWish(
        keep=timedelta(hours=1), delete_after=datetime.now(UTC) + timedelta(days=1), hold="w"
    )
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    with Client(*addresses, token=stack.token(user), tls=False) as client:
        kept: Any = client.get(client.upload(b"abc", filename="a.txt", retention=wish)).kept
    assert (kept.hold.reason, kept.delete_after) == ("w", wish.delete_after)
    assert kept.until > datetime.now(UTC) + timedelta(minutes=50)


def test_what_it_costs(owner: Belongings, origin: Origin) -> None:
    size = owner.file["size"]
    costs = owner.http.get("/api/v1/usage/costs").json()
    assert costs["bytes_by_class"] == {"STANDARD": size}
    (line,) = costs["lines"]
    assert (line["family"], line["objects"], line["written"], line["bytes"]) == ("file", 1, 1, size)
    assert costs["usd_per_1000_writes"] == 0.005
    check_problem(owner.http.get("/api/admin/costs"), 403, "PERMISSION_DENIED")
    for door in ("files", "tus", "direct", "import"):
        problem = check_problem(
            DOORS[door](owner, origin, {"storage_class": "GLACIER"}), 422, "INVALID_FIELD"
        )
        assert "leave storage_class out" in problem["detail"]


def test_saves_and_drops_may_name_a_class_where_uploads_may(owner: Belongings) -> None:
    http, at_project, glacier = owner.http, f"/api/projects/{owner.project}", {"storage_class": "glacier"}
    text, as_zip = [{"path": "a.txt", "content": "a"}], {"content-type": "application/zip"}
    for reply in (
        http.post("/api/projects/save", json=project(owner.project) | glacier),
        http.patch(at_project, json={"files": text} | glacier),
        http.patch(at_project, data=glacier, files={"a.txt": ("a.txt", b"a")}),
        http.post(f"{at_project}/archive", params=glacier, content=zipped(), headers=as_zip),
        http.post("/api/v1/shares", json={"drop": {"path": "in", **glacier}}),
    ):
        assert "leave storage_class out" in check_problem(reply, 422, "INVALID_FIELD")["detail"]
    for nothing in ({"storage_class": None}, {"storage_class": ""}):
        assert http.post("/api/projects/save", json=project(owner.project) | nothing).status_code == 200
    check_problem(
        http.post("/api/projects/save", json=project(owner.project) | {"storage_class": 7}),
        422,
        "INVALID_FIELD",
    )
    assert http.post("/api/v1/shares", json={"drop": {"path": "in"}}).json()["drop"]["storage_class"] is None
