"""Links: which answers contain them, which bytes they read, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from strongroom import Client
from tests.e2e import samples
from tests.e2e.belongings import Belongings, upload
from tests.e2e.conftest import Login
from tests.e2e.strangers import stranger
from tests.stack import RunningStack


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


@pytest.fixture(scope="module")
def visitor() -> Iterator[httpx.Client]:
    """A visitor without a token."""
    with stranger() as client:
        yield client


def handed_out(owner: Belongings) -> dict[str, str]:
    """The URLs of each family in answers."""
    media = f"/api/v1/events/{owner.event_id}/media"
    generation = owner.http.get(f"/api/generations/{owner.generation['id']}").json()["generation"]
    assert generation["url"] == generation["s3_url"]
    return {
        "generation": generation["s3_url"],
        "generations": owner.http.get("/api/generations").json()["generations"][0]["s3_url"],
        "medium": owner.http.get(f"{media}/{owner.medium['id']}").json()["file_url"],
        "media": owner.http.get(media).json()["items"][0]["file_url"],
        "picture": owner.picture["file_url"],
        "file": owner.file["url"],
    }


def revoke(http: httpx.Client, **body: object) -> dict[str, object]:
    reply = http.post("/api/v1/links/revoke", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = reply.json()
    return found


def make(http: httpx.Client, **body: object) -> dict[str, str]:
    reply = http.post("/api/v1/links", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, str] = reply.json()
    return found


def dead(visitor: httpx.Client, url: str) -> bool:
    """Whether no method reads anything with this link."""
    replies = [visitor.get(url), visitor.head(url), visitor.get(url, headers={"range": "bytes=0-1"})]
    if {reply.status_code for reply in replies} != {404}:
        return False
    assert replies[0].json()["code"] == "FILE_NOT_FOUND"
    return True


def test_they_are_ours_and_stay_the_same(owner: Belongings, visitor: httpx.Client) -> None:
    first, again = handed_out(owner), handed_out(owner)
    assert first == again
    assert first["generation"] == first["generations"]
    assert first["medium"] == first["media"]
    for url in first.values():
        assert url.startswith(f"{str(owner.http.base_url).rstrip('/')}/l/")
        assert visitor.get(url).status_code == 200
        assert owner.name not in url
        assert visitor.get(url.rpartition("/")[0]).status_code == 200  # the name is only for people


def paths_at_every_door(owner: Belongings, stack: RunningStack) -> list[dict[str, str]]:
    """The path of each file's URL, by id: in two lists, and between them in every other answer."""
    http, addresses = owner.http, (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    listed = {file["id"]: file["url"] for file in http.get("/api/v1/files").json()["files"]}
    ids = list(listed)
    batch = http.post("/api/v1/links/batch", json={"file_ids": ids}).json()["links"]
    with Client(*addresses, token=stack.token(owner.name), tls=False) as client:
        by_sdk = {file.id: client.link(file).url for file in client.list()}
    doors = [
        listed,
        {one: http.get(f"/api/v1/files/{one}").json()["url"] for one in ids},
        {one: make(http, file_id=one)["url"] for one in ids},
        {link["file"]: link["url"] for link in batch},
        by_sdk,
        {file["id"]: file["url"] for file in http.get("/api/v1/files").json()["files"]},
    ]
    return [{one: urlsplit(url).path for one, url in found.items()} for found in doors]


def test_one_url_for_a_file_at_every_door(owner: Belongings, stack: RunningStack) -> None:
    """Every request gets the same URL, so that browsers don't fetch a file again under another name."""
    handed_out(owner)  # one file of each family
    temp = owner.http.post("/api/v1/temp", files=upload(samples.png(), "\u00fc 1.png", "image/png")).json()
    families = {file["family"] for file in owner.http.get("/api/v1/files").json()["files"]}
    assert families >= {"files", "generations", "event_media", "profile_picture", "temp"}
    first, *others, last = paths_at_every_door(owner, stack)
    while first != last:  # a rounding period of a quarter of an hour ended meanwhile
        first, *others, last = paths_at_every_door(owner, stack)
    assert temp["id"] in first
    for found in others:
        assert found == first


def test_what_players_and_pages_need(owner: Belongings, visitor: httpx.Client) -> None:
    url = handed_out(owner)["generation"]
    whole = visitor.get(url)
    etag, data = whole.headers["etag"], whole.content
    assert whole.headers["cache-control"].startswith("private, max-age=")
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["access-control-allow-origin"] == "*"
    assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
    assert whole.headers["referrer-policy"] == "no-referrer"
    assert whole.headers["content-disposition"].startswith("inline")
    part = visitor.get(url, headers={"range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, data[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(data)}"
    assert visitor.get(url, headers={"range": "bytes=-3"}).content == data[-3:]
    assert visitor.get(url, headers={"range": f"bytes={len(data)}-"}).status_code == 416
    joined = visitor.get(url, headers={"range": "bytes=2-5", "if-range": etag})
    assert (joined.status_code, joined.content) == (206, data[2:6])
    other = visitor.get(url, headers={"range": "bytes=2-5", "if-range": '"x"'})
    assert (other.status_code, other.content) == (200, data)
    for name, value, status in (
        ("if-none-match", etag, 304),
        ("if-modified-since", whole.headers["last-modified"], 304),
        ("if-match", '"x"', 412),
        ("if-match", etag, 200),
    ):
        assert visitor.get(url, headers={name: value}).status_code == status
    head = visitor.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))
    preflight = visitor.options(
        url, headers={"origin": "https://anywhere.example", "access-control-request-method": "GET"}
    )
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    refused = visitor.get(
        f"{url.rpartition('/l/')[0]}/l/none", headers={"origin": "https://anywhere.example"}
    )
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, "*")


def test_content_rules_hold(http: httpx.Client, visitor: httpx.Client) -> None:
    for name, kind, data in (
        ("page.html", "text/html", b"<!doctype html><script>alert(1)</script>"),
        ("drawing.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"),
        ("script.js", "text/javascript", b"alert(1)"),
        ("note.txt", "text/plain", b"note"),
        ("feed.xml", "application/xml", b"<?xml version='1.0'?><a/>"),
    ):
        url = http.post("/api/v1/s3/upload", files={"file": (name, data, kind)}).json()["url"]
        reply = visitor.get(url)
        assert reply.headers["content-disposition"].startswith("attachment")
        assert reply.headers["content-security-policy"].startswith("sandbox")
        assert reply.headers["x-content-type-options"] == "nosniff"
        for wanted in ("script", "worker", "serviceworker"):
            assert visitor.get(url, headers={"sec-fetch-dest": wanted}).status_code == 403


def test_names_of_every_kind(http: httpx.Client, visitor: httpx.Client) -> None:
    for name in ("a b.png", "ä€😀.png", "..", "x/y.png", "?#%2F&.png", "می‌خواهم.png", "n" * 250 + ".png"):
        stored = http.post("/api/v1/s3/upload", files={"file": (name, samples.png(), "image/png")}).json()
        assert visitor.get(stored["url"]).content == samples.png()
        assert len(stored["url"]) < 2000


def test_a_deleted_file(owner: Belongings, visitor: httpx.Client) -> None:
    url = owner.generation["s3_url"]
    assert visitor.get(url).status_code == 200
    owner.http.delete(f"/api/generations/{owner.generation['id']}")
    assert dead(visitor, url)


def test_a_replaced_file(owner: Belongings, visitor: httpx.Client) -> None:
    url = owner.picture["file_url"]
    file_id = owner.http.get("/api/v1/users/me/profile-picture").headers["etag"]
    assert file_id
    assert visitor.get(url).status_code == 200
    assert owner.http.put("/api/v1/users/me/profile-picture", files=upload()).status_code == 200
    assert dead(visitor, url)


def test_newest_outlives_a_replacement(stack: RunningStack, user: str, visitor: httpx.Client) -> None:
    http = stack.http(user)
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    with http, Client(*addresses, token=stack.token(user), tls=False) as client:
        first = client.files.upload_file(b"one", "notes/a.txt")
        newest = make(http, file_id=first.id, scope="newest", expires_in=0)["url"]
        version = make(http, file_id=first.id, expires_in=0)["url"]
        assert (visitor.get(newest).content, visitor.get(version).content) == (b"one", b"one")
        client.files.upload_file(b"two", "notes/a.txt")
        assert visitor.get(newest).content == b"two"
        assert visitor.get(newest).headers["cache-control"] == "private, no-cache"
        assert dead(visitor, version)
        client.delete(first.id)
        assert dead(visitor, newest)


def test_edits_leave_them_alone(owner: Belongings, visitor: httpx.Client) -> None:
    url = handed_out(owner)["medium"]
    path = f"/api/v1/events/{owner.event_id}/media/{owner.medium['id']}"
    assert owner.http.patch(path, json={"title": "another"}).status_code == 200
    assert visitor.get(url).status_code == 200
    assert owner.http.get(path).json()["file_url"] == url


def test_revoked_for_one_file(owner: Belongings, visitor: httpx.Client) -> None:
    urls = handed_out(owner)
    generation = owner.generation["id"]
    assert revoke(owner.http, file_id=generation) == {"revoked": "file", "file_id": generation}
    assert dead(visitor, urls["generation"])
    assert visitor.get(urls["medium"]).status_code == 200
    fresh = owner.http.get(f"/api/generations/{generation}").json()["generation"]["s3_url"]
    assert fresh != urls["generation"]
    assert visitor.get(fresh).status_code == 200
    revoke(owner.http, key=owner.file["key"])
    assert dead(visitor, urls["file"])


def test_all_revoked(owner: Belongings, visitor: httpx.Client, login: Login) -> None:
    urls = handed_out(owner)
    other = Belongings("other", login("other-of-links"))
    assert visitor.get(other.generation["s3_url"]).status_code == 200
    assert revoke(owner.http, all=True) == {"revoked": "all", "file_id": None}
    assert all(dead(visitor, url) for url in urls.values())
    assert visitor.get(other.generation["s3_url"]).status_code == 200
    later = handed_out(owner)
    assert all(visitor.get(later[name]).status_code == 200 for name in ("generation", "media"))
    stored = owner.http.post("/api/v1/s3/upload", files=upload()).json()["url"]
    assert visitor.get(stored).status_code == 200


def test_nobody_revokes_or_makes_those_of_others(owner: Belongings, login: Login) -> None:
    stranger = login("stranger-of-links")
    for body in ({"file_id": owner.generation["id"]}, {"key": owner.file["key"]}):
        for path in ("/api/v1/links", "/api/v1/links/revoke"):
            reply = stranger.post(path, json=body)
            assert (reply.status_code, reply.json()["code"]) == (404, "FILE_NOT_FOUND")
            named = stranger.post(path, json={**body, "user_id": owner.name})
            assert (named.status_code, named.json()["code"]) == (403, "USER_MISMATCH")
            assert (
                login("root-of-links", roles=["admin"])
                .post(path, json={**body, "user_id": owner.name})
                .is_success
            )
    for path in ("/api/v1/links", "/api/v1/links/revoke"):
        for wrong in ({}, {"file_id": "x"}, {"file_id": owner.generation["id"], "key": "k"}, {"key": ""}):
            assert stranger.post(path, json=wrong).status_code == 422


def test_forged_cut_and_foreign_tokens(owner: Belongings, visitor: httpx.Client) -> None:
    url = urlsplit(handed_out(owner)["generation"])
    token = url.path.split("/")[2]
    base = f"{url.scheme}://{url.netloc}"
    preview = owner.http.get(f"/api/projects/{owner.project}/preview-url").json()["preview_url"]
    bearer = owner.http.headers["authorization"].removeprefix("Bearer ")
    wrong = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token), 7)
    ]
    wrong += [
        token[:-1],
        token + "A",
        token + "=",
        token.swapcase(),
        preview.split("/")[-2],
        bearer,
        "x" * 5000,
    ]
    wrong += ["%00", "%2e%2e", "null", "0"]
    for one in wrong:
        assert visitor.get(f"{base}/l/{one}/cat.png").status_code == 404
    assert visitor.get(f"{base}/api/preview/{token}/").status_code == 401
    assert (
        visitor.get(f"{base}/api/v1/s3/files", headers={"authorization": f"Bearer {token}"}).status_code
        == 401
    )


def test_nothing_of_a_token_is_logged(owner: Belongings, stack: RunningStack, visitor: httpx.Client) -> None:
    url = handed_out(owner)["generation"]
    token = url.split("/")[-2]
    visitor.get(url)
    visitor.get(f"{url}/more/of/it")
    visitor.post(url)
    visitor.get(url.replace("/l/", "//l/"))
    visitor.get(url.replace("/l/", "/%6c/"))
    visitor.get(url, headers={"range": "bytes=999999999-"})
    logs = "".join(path.read_text() for path in (stack.data_dir / "log").iterdir())
    assert "/l/" in logs
    assert token[:24] not in logs
