"""A parameter counts once, wherever it is read."""

from __future__ import annotations

import pytest

from gateway.families.files.routes import file_url
from gateway.families.generations.routes import generation_url
from gateway.families.library.routes import empty_trash
from gateway.families.projects.routes import delete_project, get_project_file, project_preview_url
from gateway.http.query import Query
from gateway.operations.routing import Handler
from strongroom.errors import InvalidField
from tests.unit.gateway.calls import make_call


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
        (b"b=1&b=2&a=1", "a", "1"),  # what nobody reads may come as often as it likes
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
