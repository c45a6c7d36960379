"""A call's interface for handlers. A parameter counts once, wherever it is read."""

from __future__ import annotations

import pytest

from gateway.families.files.routes import file_url
from gateway.families.generations.routes import generation_url
from gateway.families.library.routes import empty_trash
from gateway.families.projects.routes import delete_project, get_project_file, project_preview_url
from gateway.http.exchange import Query, idempotency_key
from gateway.operations.routing import Handler
from servicekit.auth.principal import Principal
from strongroom.errors import InvalidField, MalformedRequest, UserMismatch
from tests.unit.gateway.calls import make_call


def test_headers_are_joined_and_lower_case() -> None:
    call = make_call(headers={"X-A": "1"})
    call.scope["headers"].append((b"x-a", b"2"))
    assert call.header("x-a") == "1, 2"
    assert call.header("x-b") is None


def test_query() -> None:
    call = make_call("a=2&a=2&b=&c=%C3%A9+x&&d")
    assert [call.query(name) for name in "abcde"] == ["2", "", "é x", "", None]


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"p{n}=1" for n in range(101))])
def test_queries_that_are_refused(query: str) -> None:
    with pytest.raises(MalformedRequest):
        make_call(query).query("a")


def test_user_id() -> None:
    assert make_call().user_id() == ""
    assert make_call("user_id=alice").user_id() == ""
    assert make_call("user_id=").user_id() == ""
    for call, named in ((make_call("user_id=bob"), None), (make_call(), "bob")):
        with pytest.raises(UserMismatch):
            call.user_id(named)
    admin = Principal("root", is_admin=True)
    assert make_call("user_id=bob", principal=admin).user_id() == "bob"
    assert make_call("user_id=bob", principal=admin).user_id("carol") == "carol"


def test_idempotency_keys() -> None:
    assert idempotency_key(make_call()) == ""
    assert idempotency_key(make_call(headers={"Idempotency-Key": "a-1"})) == "a-1"
    for bad in ("", "a b", "x" * 256, "é"):
        with pytest.raises(InvalidField) as raised:
            idempotency_key(make_call(headers={"Idempotency-Key": bad}))
        assert raised.value.field == "Idempotency-Key"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"a=1&a=2", "a"),
        (b"a=1&a=1&a=", "a"),
        (b"x=1&a=A&a=a", "a"),
        (b"expires_in=1&expiresIn=2", "expires_in"),
        (b"expiresIn=2&expires_in=1", "expiresIn"),
        (b"expires_in=1&expiresIn=1&expiresIn=2", "expires_in"),
        (b"max_keys=&maxKeys=5", "max_keys"),
        (b"user_id=alice&userId=bob", "user_id"),
        (b"%61=1&a=2", "a"),
    ],
)
def test_two_values_are_refused(query: bytes, name: str) -> None:
    with pytest.raises(InvalidField, match="comes twice") as raised:
        Query(query).get(name)
    assert raised.value.metadata == {"field": name, "rule": "repeated"}


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        (b"a=1&a=1", "a", "1"),
        (b"expires_in=60&expiresIn=60", "expiresIn", "60"),
        (b"b=1&b=2&a=1", "a", "1"),  # parameters that are not read may be repeated
        (b"b=1&b=2", "a", None),
        (b"settings.a_b=1&settings.aB=1&a=1", "a", "1"),
    ],
)
def test_one_value_is_taken(query: bytes, name: str, value: str | None) -> None:
    assert Query(query).get(name) == value


ROUTES: list[tuple[Handler, str, str]] = [
    (generation_url, "expiresIn=60&expiresIn=600", "expiresIn"),
    (generation_url, "expiresIn=60&expires_in=600", "expiresIn"),
    (file_url, "expires_in=60&expires_in=600", "expires_in"),
    (file_url, "expires_in=60&expiresIn=600", "expires_in"),
    (project_preview_url, "expires_in=60&expires_in=600", "expires_in"),
    (project_preview_url, "version=1&version=2", "version"),
    (get_project_file, "version=1&version=2", "version"),
    (delete_project, "expected_version=1&expected_version=2", "expected_version"),
    (delete_project, "expected_version=1&expectedVersion=2", "expected_version"),
]


@pytest.mark.parametrize(("handler", "query", "name"), ROUTES)
async def test_routes_that_are_no_lists_refuse_two_values(handler: Handler, query: str, name: str) -> None:
    call = make_call(query)
    call.path = {"slug": "a", "path": "b", "key": "alice/s3/x", "id": "7e57d004-2b97-4e7a-b45f-5387367791cd"}
    with pytest.raises(InvalidField) as raised:
        await handler(call)
    assert raised.value.metadata == {"field": name, "rule": "repeated"}


async def test_the_trash_is_not_emptied_for_an_empty_family() -> None:
    call = make_call("family=")
    call.scope["method"] = "DELETE"
    with pytest.raises(InvalidField) as raised:
        await empty_trash(call)
    assert raised.value.field == "family"
