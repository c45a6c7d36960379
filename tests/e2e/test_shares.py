"""Shares: created, listed, edited and revoked by their owners."""

from __future__ import annotations

import uuid

import httpx
import pytest

from strongroom import Client, DropBox, SharedEvent, SharedFile, SharedPrefix, SharedProject
from strongroom.client.shares import Shared
from strongroom.errors import InvalidField, ShareNotFound
from tests.e2e.belongings import Belongings
from tests.e2e.shapes import check_problem
from tests.stack import RunningStack


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


def test_a_share_lives_and_ends(owner: Belongings) -> None:
    http = owner.http
    body = {"event_id": owner.event_id, "title": "Our <party>", "password": "p", "max_uses": 5}
    made = http.post("/api/v1/shares", json=body)
    assert made.status_code == 201, made.text
    share = made.json()
    assert share.pop("url").startswith(f"{str(http.base_url).rstrip('/')}/s/")
    assert (share["state"], share["uses"], share["has_password"]) == ("active", 0, True)
    assert http.get(f"/api/v1/shares/{share['id']}").json() == share
    open_to_all = http.post("/api/v1/shares", json={**body, "password": ""})
    assert (open_to_all.status_code, open_to_all.json()["errors"][0]["field"]) == (422, "password")
    assert http.get("/api/v1/shares").json() == {"shares": [share], "next_page_token": None}
    assert http.get("/api/v1/shares", params={"limit": "1"}).json()["shares"] == [share]
    assert http.get("/api/v1/shares", params={"page_size": "1"}).status_code == 422
    edit = {"title": "Over", "expires_at": "2100-01-01T00:00:00Z", "max_uses": 0, "password": ""}
    edited = http.patch(f"/api/v1/shares/{share['id']}", json=edit).json()
    assert (edited["title"], edited["expires_at"], edited["has_password"]) == (
        "Over",
        "2100-01-01T00:00:00Z",
        False,
    )
    assert http.patch(f"/api/v1/shares/{share['id']}", json={"expires_in": 0}).json()["expires_at"] is None
    revoked = http.delete(f"/api/v1/shares/{share['id']}").json()
    assert revoked["state"] == "revoked"
    assert http.get("/api/v1/shares", params={"active": "true"}).json()["shares"] == []
    check_problem(http.patch(f"/api/v1/shares/{share['id']}", json={"title": "x"}), 404, "SHARE_NOT_FOUND")


def test_a_repeat_answers_the_same_url(owner: Belongings) -> None:
    headers, body = {"idempotency-key": str(uuid.uuid4())}, {"event_id": owner.event_id, "expires_in": 60}
    first, again = (owner.http.post("/api/v1/shares", json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    other = owner.http.post("/api/v1/shares", json={**body, "title": "x"}, headers=headers)
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prefix": ""},
        {"prefix": "a", "event_id": str(uuid.UUID(int=1))},
        {"event_id": "none"},
        {"event_id": str(uuid.UUID(int=1)), "version": 2},
        {"prefix": "a", "expires_in": 1, "expires_at": "2100-01-01T00:00:00Z"},
        {"prefix": "a", "expires_at": "2000-01-01T00:00:00Z"},
        {"prefix": "a", "expires_at": "2100-01-01T00:00:00"},
        {"prefix": "a", "max_uses": -1},
        {"prefix": "a", "password": "x" * 257},
        {"prefix": "a", "title": "x" * 256},
        {"prefix": "a", "title": "a\u0000b"},
        {"drop": {}},
        {"drop": {"path": "a", "folder": "uploads"}},
        {"drop": {"folder": "audio"}},
        {"drop": {"path": "a", "content_types": ["image"]}},
        {"drop": {"path": "a", "max_files": 0}},
    ],
    ids=lambda body: str(body)[:40].replace("\u0000", "0"),
)
def test_what_makes_no_share(http: httpx.Client, body: dict[str, object]) -> None:
    check_problem(http.post("/api/v1/shares", json=body), 422, "INVALID_FIELD")


def test_the_client_and_all_that_can_be_shared(stack: RunningStack, owner: Belongings) -> None:
    file_id = owner.generation["id"]
    addresses = [stack.state[name]["address"] for name in ("storage", "metadata")]
    every: list[Shared] = [
        SharedFile(file_id),
        SharedFile(owner.generation["s3_key"]),
        SharedEvent(owner.event_id),
        SharedPrefix(f"{owner.name}/"),
        SharedProject(owner.project),
        DropBox(path="in/coming", content_types=["image/*"], max_files=3),
        DropBox(folder="audio", class_id="c"),
    ]
    with Client(*addresses, token=stack.token(owner.name), tls=False) as client:
        made = [
            client.shares.create(shared, title=str(number), expires_in=60)
            for number, shared in enumerate(every)
        ]
        assert all("/s/" in share.url for share in made)
        assert [share.title for share in client.shares.list()] == ["6", "5", "4", "3", "2", "1", "0"]
        assert made[0].shared == made[1].shared == SharedFile(file_id)
        assert made[4].shared == SharedProject(owner.project, 1)
        assert client.shares.get(made[5].id).shared == DropBox(
            path="in/coming", max_files=3, max_file_bytes=1 << 30, content_types=("image/*",)
        )
        assert client.shares.update(made[2].id, max_uses=7, expires_in=0).max_uses == 7
        assert client.shares.revoke(made[2].id).state == "revoked"
        assert made[2].id not in {share.id for share in client.shares.list(active_only=True)}
        with pytest.raises(ShareNotFound):
            client.shares.get(str(uuid.uuid4()))
        with pytest.raises(InvalidField):
            client.shares.get("no id")
