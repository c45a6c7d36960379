"""Repeated requests for lists: 304 for one look-up, and another entity tag whenever the answer differs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

import httpx
import pytest

from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.test_hops import Hops
from tests.stack import RunningStack

#: By route: whether the list contains URLs.
LISTS: Final[dict[str, bool]] = {
    "/api/v1/s3/files": False,
    "/api/v1/s3/files?prefix=uploads/&delimiter=/": False,
    "/api/v1/files": True,
    "/api/v1/files?family=generations": True,
    "/api/v1/files?prefix=uploads/&delimiter=/": False,  # only folders
    "/api/v1/trash": False,
    "/api/generations": True,
    "/api/generations/stats": False,
    "/api/v1/events/{event}/media": True,
    "/api/projects": True,
    "/api/project-history": True,
    "/api/projects/{project}/versions": False,
    "/api/projects/{project}/files": False,
    "/api/v1/shares": False,
}


@pytest.fixture
def mine(http: httpx.Client, user: str) -> Belongings:
    owner = Belongings(user, http)
    assert owner.generation["id"]
    assert owner.medium["id"]
    assert owner.project
    assert owner.quoted_key
    return owner


def paths(mine: Belongings) -> dict[str, bool]:
    return {path.format(event=mine.event_id, project=mine.project): urls for path, urls in LISTS.items()}


def _unchanged(ask: Callable[[str, str], httpx.Response], path: str) -> httpx.Response:
    """The 304 of ``ask(path, tag)``. If the list changes meanwhile (links are rounded in time, facts of
    pictures follow a moment later), it is read again.
    """
    for _ in range(20):
        tag: str = ask(path, "").headers["etag"]
        reply = ask(path, tag)
        if reply.status_code == 304:
            assert (reply.headers["etag"], reply.content) == (tag, b"")
            return reply
    raise AssertionError(f"no tag of {path} holds")


def test_what_has_not_changed_costs_one_look_up(
    stack: RunningStack, http: httpx.Client, mine: Belongings
) -> None:
    hops, calls = Hops(stack, http), list[str]()

    def plainly(path: str, tag: str) -> httpx.Response:
        return http.get(path, headers={"if-none-match": f'"other", {tag}'} if tag else {})

    def watched(path: str, tag: str) -> httpx.Response:
        reply, calls[:] = hops.of("GET", path, {"if-none-match": tag} if tag else {})
        return reply

    for path, urls in paths(mine).items():
        tag = _unchanged(plainly, path).headers["etag"]
        assert tag.startswith('W/"u-' if urls else 'W/"r-'), path
    _unchanged(watched, "/api/v1/s3/files")
    assert calls == ["GetRevision"]
    _unchanged(watched, "/api/generations")
    assert calls == ["GetRevision", "GetUrlStamps"]


def _answers(http: httpx.Client, lists: dict[str, bool]) -> dict[str, tuple[str, bytes]]:
    replies = {path: http.get(path) for path in lists}
    assert {reply.status_code for reply in replies.values()} == {200}
    return {path: (reply.headers["etag"], reply.content) for path, reply in replies.items()}


def _picture(http: httpx.Client, mine: Belongings) -> httpx.Response:
    edit = {"title": str(uuid.uuid4())}
    return http.patch(f"/api/v1/events/{mine.event_id}/media/{mine.medium['id']}", json=edit)


def _share(http: httpx.Client, mine: Belongings) -> httpx.Response:
    return http.post("/api/v1/shares", json={"event_id": mine.event_id})


CHANGES: Final[dict[str, Callable[[httpx.Client, Belongings], httpx.Response]]] = {
    "an upload": lambda http, _: http.post("/api/v1/s3/upload", files={"file": ("a.txt", b"a")}),
    "an edit of a medium": _picture,
    "links revoked": lambda http, _: http.post("/api/v1/links/revoke", json={"all": True}),
    "a share": _share,
    "a save": lambda http, mine: http.patch(
        f"/api/projects/{mine.project}", json={"files": [{"path": "n.txt", "content": str(uuid.uuid4())}]}
    ),
    "into the trash": lambda http, mine: http.delete(
        f"/api/generations/{mine.generation['id']}", params={"soft": "true"}
    ),
    "out of it": lambda http, mine: http.post(f"/api/v1/trash/{mine.generation['id']}/restore"),
    "deleted": lambda http, mine: http.delete(f"/api/generations/{mine.generation['id']}"),
}


def test_a_list_never_keeps_its_tag_when_it_changes(http: httpx.Client, mine: Belongings) -> None:
    lists = paths(mine)
    before = _answers(http, lists)
    for what, change in CHANGES.items():
        assert change(http, mine).is_success, what
        after = _answers(http, lists)
        changed = [path for path in lists if before[path][1] != after[path][1]]
        assert changed, what
        assert all(before[path][0] != after[path][0] for path in changed), what
        before = after


def test_tags_are_of_one_url_address_and_user(http: httpx.Client, mine: Belongings, login: Login) -> None:
    path = "/api/generations"
    reply = _unchanged(lambda where, tag: http.get(where, headers={"if-none-match": tag}), path)
    tag = {"if-none-match": reply.headers["etag"]}
    assert http.get(f"{path}?limit=1", headers=tag).status_code == 200
    assert http.get(path, headers={**tag, "host": "files.example.org"}).status_code == 200
    assert login(f"user-{uuid.uuid4()}").get(path, headers=tag).status_code == 200
    assert http.get(f"{path}?limit=none", headers=tag).status_code == 422
    assert http.get("/api/projects/none-such/versions", headers=tag).status_code == 404
