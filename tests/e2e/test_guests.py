"""Guests of shares: which data they see, and which they don't."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings, upload
from tests.e2e.shapes import check_problem
from tests.e2e.strangers import stranger
from tests.stack import RunningStack

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
Make = Callable[..., str]


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


@pytest.fixture
def guest(stack: RunningStack) -> Iterator[httpx.Client]:
    """A user without an account, with a separate cookie jar."""
    with stranger(stack.url) as client:
        yield client


@pytest.fixture
def make(owner: Belongings) -> Make:
    """The path of a new share."""

    def make(**body: Any) -> str:
        reply = owner.http.post("/api/v1/shares", json=body)
        assert reply.status_code == 201, reply.text
        path: str = urlsplit(reply.json()["url"]).path
        return path

    return make


def last_share(owner: Belongings) -> dict[str, Any]:
    found: dict[str, Any] = owner.http.get("/api/v1/shares").json()["shares"][0]
    return found


def nothing_of_the_owner(owner: Belongings, text: str) -> bool:
    """Neither name, keys nor ids of the owner's other things."""
    return not [secret for secret in (owner.name, owner.event_id, owner.file["key"]) if secret in text]


def test_an_event_is_a_page_and_a_list(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    medium = owner.medium
    path = make(event_id=owner.event_id, title='Our <script>alert(1)</script> & "party"')
    page = guest.get(path, headers=HTML)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "Our &lt;script&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src 'self'; media-src 'self'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers
    cookie = page.headers["set-cookie"]
    assert f"Path={path};" in cookie
    assert "HttpOnly; SameSite=Strict" in cookie
    assert nothing_of_the_owner(owner, page.text)
    found = guest.get(path).json()
    assert (found["kind"], found["needs"]) == ("event", None)
    (file,) = found["files"]
    assert file["url"] == f"{path}/file/{medium['id']}"
    assert f'<img src="{file["url"]}"' in page.text
    picture = guest.get(file["url"])
    assert picture.content == samples.png()
    assert picture.headers["content-disposition"].startswith("inline")
    assert picture.headers["cross-origin-resource-policy"] == "same-origin"
    saved = guest.get(file["url"], params={"download": "1"})
    assert saved.headers["content-disposition"].startswith("attachment")
    ranged = guest.get(file["url"], headers={"range": "bytes=1-3"})
    assert (ranged.status_code, ranged.content) == (206, samples.png()[1:4])
    same = guest.get(file["url"], headers={"if-none-match": picture.headers["etag"]})
    assert same.status_code == 304
    assert guest.head(file["url"]).headers["content-length"] == str(len(picture.content))
    assert last_share(owner)["uses"] == 1


def test_what_is_not_shared_is_not_there(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(event_id=owner.event_id)
    for item in (owner.generation["id"], str(uuid.uuid4()), "x", "..%2f..%2fapi", "%2e%2e%2fx"):
        check_problem(guest.get(f"{path}/file/{item}"), 404, "FILE_NOT_FOUND")
    foreign = guest.get(f"{path}/file/{owner.generation['id']}", headers={"range": "bytes=0-1"})
    check_problem(foreign, 404, "FILE_NOT_FOUND")
    one = make(file_id=owner.generation["id"])
    assert guest.get(f"{one}/file/{owner.generation['id']}").status_code == 200
    check_problem(guest.get(f"{one}/file/{owner.medium['id']}"), 404, "FILE_NOT_FOUND")
    below = make(prefix=owner.file["key"])
    check_problem(guest.get(f"{below}/file/{owner.medium['id']}"), 404, "FILE_NOT_FOUND")
    assert [file["size"] for file in guest.get(below).json()["files"]] == [owner.file["size"]]
    assert nothing_of_the_owner(owner, guest.get(below, headers=HTML).text)


def test_a_version_of_a_project(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(project=owner.project)
    newer = {"name": "Mine", "slug": owner.project, "files": [{"path": "secret.txt", "content": "later"}]}
    assert owner.http.post("/api/projects/save", json=newer).status_code == 200
    assert [file["name"] for file in guest.get(path).json()["files"]] == ["index.html"]
    page = guest.get(f"{path}/file/index.html")
    assert page.content == b"<p>hello"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["content-security-policy"].startswith("sandbox")
    check_problem(guest.get(f"{path}/file/secret.txt"), 404, "FILE_NOT_FOUND")
    check_problem(guest.get(f"{path}/file/..%2findex.html"), 404, "FILE_NOT_FOUND")
    with zipfile.ZipFile(io.BytesIO(guest.get(f"{path}/archive").content)) as archive:
        assert archive.namelist() == ["index.html"]
    assert owner.http.delete(f"/api/projects/{owner.project}").status_code == 200
    assert owner.http.post("/api/projects/save", json=newer).status_code == 200  # a new project
    check_problem(guest.get(f"{path}/file/secret.txt"), 404, "FILE_NOT_FOUND")
    check_problem(guest.get(path), 404, "FILE_NOT_FOUND")


def test_all_as_a_zip(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    media = f"/api/v1/events/{owner.event_id}/media"
    for name in ("cat.png", "CAT.png", "cat.png", "no name"):
        assert owner.http.post(media, files=upload(name=name)).status_code == 201
    path = make(event_id=owner.event_id, title="Ours: all/of it")
    reply = guest.get(f"{path}/archive")
    assert reply.headers["content-type"] == "application/zip"
    assert 'filename="Ours: all_of it.zip"' in reply.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert len({name.casefold() for name in names}) == 4


def test_a_page_leads_to_the_next(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    files = [{"path": f"{number:03}.txt", "content": str(number)} for number in range(105)]
    slug = f"p-{uuid.uuid4().hex}"
    saved = owner.http.post("/api/projects/save", json={"name": "N", "slug": slug, "files": files})
    assert saved.status_code == 200
    path = make(project=slug)
    first = guest.get(path).json()
    second = guest.get(path, params={"page_token": first["next_page_token"]}).json()
    assert [file["name"] for file in first["files"] + second["files"]] == [file["path"] for file in files]
    assert second["next_page_token"] is None
    assert f'href="{path}?page_token=' in guest.get(path, headers=HTML).text
    check_problem(guest.get(path, params={"page_token": "x"}), 422, "INVALID_PAGE_TOKEN")


def test_a_password(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(file_id=owner.generation["id"], title="Secret title", password="open sesame")
    item = f"{path}/file/{owner.generation['id']}"
    door = guest.get(path, headers=HTML)
    assert 'type="password"' in door.text
    assert "Secret title" not in door.text
    assert guest.get(path).json() == {
        "kind": "file",
        "title": "",
        "needs": "password",
        "expires_at": None,
        "files": [],
        "next_page_token": None,
    }
    for url in (item, f"{path}/archive"):
        assert check_problem(guest.get(url), 403, "SHARE_LOCKED")["metadata"] == {"needs": "password"}
    check_problem(guest.post(path, data={"password": "wrong"}), 403, "SHARE_PASSWORD_WRONG")
    again = guest.post(path, data={"password": "wrong"}, headers=HTML)
    assert again.status_code == 403
    assert 'role="alert">That is not the password' in again.text
    opened = guest.post(path, data={"password": "open sesame"}, headers=HTML)
    assert (opened.status_code, opened.headers["location"]) == (303, path)
    assert "Secret title" in guest.get(path, headers=HTML).text
    assert guest.get(item).status_code == 200
    share = last_share(owner)
    assert share["uses"] == 1
    assert guest.post(path, headers=HTML).status_code == 303  # admitted already: no second use
    assert last_share(owner)["uses"] == 1
    assert owner.http.patch(f"/api/v1/shares/{share['id']}", json={"password": "new"}).status_code == 200
    check_problem(guest.get(item), 403, "SHARE_LOCKED")
    check_problem(guest.post(path, json={"password": "open sesame"}), 403, "SHARE_PASSWORD_WRONG")
    assert guest.post(path, json={"password": "new"}).json()["needs"] is None
    assert guest.get(item).status_code == 200


def test_uses_are_counted_whoever_forgets(
    owner: Belongings, guest: httpx.Client, make: Make, stack: RunningStack
) -> None:
    path = make(file_id=owner.generation["id"], max_uses=2)
    item = f"{path}/file/{owner.generation['id']}"
    for _ in range(3):  # loading the page, like messengers' previews, is no use
        assert "limited number of times" in guest.get(path, headers=HTML).text
        check_problem(guest.get(item), 403, "SHARE_LOCKED")
    assert last_share(owner)["uses"] == 0
    for _ in range(2):
        guest.cookies.clear()
        assert guest.post(path).status_code == 200
        assert guest.get(item).status_code == 200
    with stranger(stack.url) as late:
        assert check_problem(late.post(path), 410, "SHARE_ENDED")["metadata"] == {"cause": "used_up"}
        check_problem(late.get(item), 410, "SHARE_ENDED")
        gone = late.get(path, headers=HTML)
        assert gone.status_code == 410
        assert "opened as often as allowed" in gone.text
        other = make(file_id=owner.generation["id"], max_uses=1)
        late.cookies.set("strongroom_share", guest.cookies["strongroom_share"])  # of another share
        check_problem(late.get(f"{other}/file/{owner.generation['id']}"), 403, "SHARE_LOCKED")
    assert guest.get(item).status_code == 200  # admitted guests may go on


def test_revoked_is_gone_at_once(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(file_id=owner.generation["id"], password="p")
    item = f"{path}/file/{owner.generation['id']}"
    assert guest.post(path, json={"password": "p"}).status_code == 200
    etag = guest.get(item).headers["etag"]
    assert owner.http.delete(f"/api/v1/shares/{last_share(owner)['id']}").status_code == 200
    for reply in (
        guest.get(path),
        guest.get(item),
        guest.get(item, headers={"if-none-match": etag}),
        guest.get(f"{path}/archive"),
        guest.post(path, json={"password": "p"}),
    ):
        assert check_problem(reply, 410, "SHARE_ENDED")["metadata"] == {"cause": "revoked"}
    page = guest.get(path, headers=HTML)
    assert page.status_code == 410
    assert "has taken it back" in page.text


@pytest.mark.parametrize("token", ["none", "a" * 27, "x" * 200, "%00", "a%20b", "%C3%A9"])
def test_what_is_no_token(guest: httpx.Client, token: str) -> None:
    reply = guest.get(f"/s/{token}")
    assert reply.status_code in {404, 422}, reply.text
    page = guest.get(f"/s/{token}", headers=HTML)
    assert page.status_code == reply.status_code
    assert "This link does not work" in page.text


def test_guessing_is_answered_429(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(file_id=owner.generation["id"], password="right")
    replies = [guest.post(path, json={"password": str(number)}) for number in range(14)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    check_problem(refused[-1], 429, "RATE_LIMITED")
    assert 1 <= int(refused[-1].headers["retry-after"]) <= 6
    page = guest.post(path, data={"password": "right"}, headers=HTML)
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) >= 1


def test_other_sites_send_nobody_here(owner: Belongings, guest: httpx.Client, make: Make) -> None:
    path = make(drop={"folder": "uploads"})
    headers = {"sec-fetch-site": "cross-site"}
    check_problem(guest.post(path, headers=headers), 403, "PERMISSION_DENIED")
    check_problem(guest.post(f"{path}/files", files=upload(), headers=headers), 403, "PERMISSION_DENIED")
    assert last_share(owner)["drop"]["files"] == 0


def test_no_log_holds_a_token(
    owner: Belongings, guest: httpx.Client, make: Make, stack: RunningStack
) -> None:
    path = make(file_id=owner.generation["id"], password="a wild password")
    token = path.rpartition("/")[2]
    guest.get(path)
    guest.post(path, json={"password": "a wild password"})
    session = guest.cookies["strongroom_share"]
    guest.get(f"{path}/file/{owner.generation['id']}")
    guest.get(f"{path}/none")
    guest.get(f"{path}/file/{owner.medium['id']}")
    logs = "".join(file.read_text(errors="replace") for file in Path(stack.data_dir).rglob("*.log"))
    assert "/s/{token}" in logs
    for secret in (token, session, "a wild password"):
        assert secret not in logs
        assert secret not in guest.get("/metrics").text
