"""Two users and every route: nothing of others is read, listed, signed, deleted or edited."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from gateway.surface import all_operations
from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.operations import WAYS
from tests.e2e.shapes import check_problem
from tests.stack import RunningStack

PRIVATE: Final = sorted(name for name, way in WAYS.items() if way.stranger != "public")


@pytest.fixture(scope="module")
def new_owner(login: Login) -> Callable[[str], Belongings]:
    return lambda name: Belongings(name, login(name))


@pytest.fixture(scope="module")
def alice(new_owner: Callable[[str], Belongings]) -> Belongings:
    owner = new_owner(f"alice-{uuid.uuid4()}")
    assert len(owner.secrets()) == 14
    return owner


@pytest.fixture(scope="module")
def before(alice: Belongings) -> dict[str, Any]:
    """Everything that alice has, before others try anything."""
    assert alice.secrets()
    return alice.everything()


@pytest.fixture
def bob(login: Login) -> httpx.Client:
    return login(f"bob-{uuid.uuid4()}")


def _call(client: httpx.Client, name: str, owner: Belongings, user_id: str = "") -> httpx.Response:
    """The whole answer; for an endless stream its beginning."""
    way = WAYS[name]
    params = {"user_id": user_id} if user_id else {}
    method, more = name.partition(" ")[0], way.more(owner)
    with client.stream(method, way.path(owner), params=params, **more) as reply:
        if not way.stream or reply.status_code != 200:
            reply.read()
        return reply


def test_every_operation_has_an_entry() -> None:
    assert {f"{one.method} {one.path}" for one in all_operations()} == set(WAYS)


def test_what_is_public_is_so_in_both_lists() -> None:
    public = {f"{one.method} {one.path}" for one in all_operations() if one.public}
    assert public == set(WAYS) - set(PRIVATE)


@pytest.mark.parametrize("name", PRIVATE)
def test_what_a_stranger_gets(
    alice: Belongings, before: dict[str, Any], bob: httpx.Client, name: str
) -> None:
    way, reply = WAYS[name], _call(bob, name, alice)
    if way.stranger == "missing":
        _is_missing(reply, name)
    elif way.stranger == "denied":
        check_problem(reply, 403, "PERMISSION_DENIED")
    else:
        assert reply.status_code == way.status, reply.text
    if not way.stream:
        asked = _named(alice, name)
        assert not [text for text in alice.secrets().difference(asked) if text in reply.text]
    _unchanged(alice, before, name)


def _named(alice: Belongings, name: str) -> set[str]:
    """Names that bob has sent himself, and may see in answers."""
    if name.endswith(("/exists", "/links/batch")):
        return {alice.file["key"]}
    return {alice.medium["id"], alice.file["key"]} if name.endswith("/batch-delete") else set()


def _is_missing(reply: httpx.Response, name: str) -> None:
    if name.startswith("HEAD "):
        assert (reply.status_code, reply.content) == (404, b"")
        return
    kind = (
        "PROJECT"
        if "{slug}" in name
        else "UPLOAD"
        if "uploads/{id}" in name or "/files/{id}" in name
        else "SHARE"
        if "shares/{id}" in name
        else "WEBHOOK"
        if "webhooks/{id}" in name
        else "FILE"
    )
    check_problem(reply, 404, f"{kind}_NOT_FOUND")


def test_what_is_foreign_does_not_exist(alice: Belongings, bob: httpx.Client) -> None:
    path = WAYS["GET /api/v1/s3/file/{key:path}/exists"].path(alice)
    assert bob.get(path).json() == {"key": alice.file["key"], "exists": False}
    assert alice.http.get(path).json() == {"key": alice.file["key"], "exists": True}


@pytest.mark.parametrize("name", [name for name in PRIVATE if name.startswith("GET ")])
def test_head_of_what_is_foreign(alice: Belongings, bob: httpx.Client, name: str) -> None:
    reply = bob.head(WAYS[name].path(alice))
    assert reply.status_code == {"missing": 404, "nothing": 200, "denied": 403}[WAYS[name].stranger]
    assert not reply.content


@pytest.mark.parametrize("name", PRIVATE)
def test_without_a_token(stack: RunningStack, alice: Belongings, name: str) -> None:
    with httpx.Client(base_url=stack.url, trust_env=False, verify=False, timeout=60) as nobody:
        reply = _call(nobody, name, alice)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    if not name.startswith("HEAD "):
        check_problem(reply, 401, "TOKEN_MISSING")


@pytest.mark.parametrize("name", PRIVATE)
def test_another_user_id(alice: Belongings, before: dict[str, Any], bob: httpx.Client, name: str) -> None:
    reply = _call(bob, name, alice, user_id=alice.name)
    if name.startswith("HEAD "):
        assert (reply.status_code, reply.content) == (403, b"")
    else:
        check_problem(reply, 403, "USER_MISMATCH")
    _unchanged(alice, before, name)


def _unchanged(alice: Belongings, before: dict[str, Any], name: str) -> None:
    """Nothing of alice's was changed; not checked for calls that only read."""
    assert name.startswith("GET ") or alice.everything() == before


def test_ones_own_user_id(alice: Belongings) -> None:
    for name in ("GET /api/v1/s3/files", "GET /api/generations/{id}", "POST /api/v1/temp"):
        assert _call(alice.http, name, alice, user_id=alice.name).status_code == WAYS[name].status


@pytest.fixture(scope="module")
def carol(new_owner: Callable[[str], Belongings]) -> Belongings:
    """A user whose data admins read, and no test changes."""
    return new_owner(f"carol-{uuid.uuid4()}")


@pytest.mark.parametrize("name", PRIVATE)
def test_an_admin_may(
    login: Login, new_owner: Callable[[str], Belongings], carol: Belongings, name: str
) -> None:
    """Calls that change something use separate belongings, because some remove them."""
    only_reads = name.startswith(("GET ", "HEAD "))
    owner = carol if only_reads else new_owner(f"carol-{uuid.uuid4()}")
    reply = _call(login("root", roles=["admin"]), name, owner, user_id=owner.name)
    assert reply.status_code == WAYS[name].status, reply.text


def test_a_user_id_in_the_form(alice: Belongings, bob: httpx.Client) -> None:
    form = {"folder": "uploads", "user_id": alice.name}
    reply = bob.post("/api/v1/s3/upload", data=form, files={"file": ("a.txt", b"a")})
    check_problem(reply, 403, "USER_MISMATCH")


def test_a_bad_token(stack: RunningStack) -> None:
    with httpx.Client(base_url=stack.url, trust_env=False, verify=False) as client:
        reply = client.get("/api/v1/s3/files", headers={"authorization": "Bearer nonsense"})
        check_problem(reply, 401, "TOKEN_INVALID")
        old = stack.token("ada", iat=1_700_000_000, exp=1_700_000_600)
        reply = client.get("/api/v1/s3/files", headers={"authorization": f"Bearer {old}"})
        check_problem(reply, 401, "TOKEN_EXPIRED")
        assert reply.headers["www-authenticate"].startswith("Bearer ")
