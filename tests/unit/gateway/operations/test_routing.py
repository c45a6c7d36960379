"""The route table: methods, percent-encoding, literal suffixes."""

from __future__ import annotations

import pytest

from gateway.http.reply import Reply
from gateway.operations.routing import Operation, Routes, RouteTable
from gateway.surface import all_operations
from gateway.upstream.call import Call
from strongroom.errors import MalformedRequest, MethodNotAllowed, NotFound

FILE = "/api/v1/s3/file/"


@pytest.fixture
def table() -> RouteTable:
    return RouteTable(all_operations())


def name_of(found: tuple[Operation, dict[str, str]]) -> str:
    return found[0].name


@pytest.mark.parametrize(
    ("raw", "name", "key"),
    [
        ("uploads/a/b.bin", "file_content", "uploads/a/b.bin"),
        ("uploads%2Fa%2Fb.bin", "file_content", "uploads/a/b.bin"),
        ("uploads%2fa/b.bin/url", "file_url", "uploads/a/b.bin"),
        ("uploads/a/b.bin/metadata", "file_metadata", "uploads/a/b.bin"),
        ("uploads%2Fa%2Fb.bin/exists", "file_exists", "uploads/a/b.bin"),
        ("paths/a/url", "file_url", "paths/a"),
        ("paths%2Fa%2Furl", "file_content", "paths/a/url"),
        ("paths/a%2Furl", "file_content", "paths/a/url"),
        ("paths/a/url/url", "file_url", "paths/a/url"),
        ("url", "file_content", "url"),
        ("a+b%20c%C3%A9", "file_content", "a+b cé"),
        ("a//b", "file_content", "a//b"),
        ("%252F", "file_content", "%2F"),
    ],
)
def test_keys_with_slashes(table: RouteTable, raw: str, name: str, key: str) -> None:
    found = table.find("GET", FILE + raw)
    assert name_of(found) == name
    assert found[1] == {"key": key}


def test_head_is_answered_by_get(table: RouteTable) -> None:
    assert name_of(table.find("HEAD", FILE + "a/b")) == "file_content"
    assert name_of(table.find("HEAD", "/healthz")) == "healthz"


@pytest.mark.parametrize(
    "path", ["/apis", "/api", "/api/v1/s3/files/", FILE, "/api/v1/s3/file", "/API/v1/s3/files", "/healthz/x"]
)
def test_no_such_route(table: RouteTable, path: str) -> None:
    with pytest.raises(NotFound):
        table.find("GET", path)
    assert table.allow(path) is None


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/api/v1/s3/files/", "/api/v1/s3/files"),
        ("//api/v1//s3/files", "/api/v1/s3/files"),
        ("/API/V1/S3/Files", "/api/v1/s3/files"),
        ("/api/usage", "/api/v1/usage"),
        ("/api/v1/projects/", "/api/projects"),
        ("/api/v1/generations/abc", "/api/generations/{id}"),
        ("/s/the-token-of-a-share/", "/s/{token}"),
    ],
)
def test_what_was_perhaps_meant_is_named_by_its_template(table: RouteTable, path: str, near: str) -> None:
    with pytest.raises(NotFound) as raised:
        table.find("GET", path)
    assert raised.value.message == f"There is no such route, but there is {near}; /docs lists them all."


@pytest.mark.parametrize("path", ["/apis", "/api", "//", "/healthz/x"])
def test_nothing_is_near(table: RouteTable, path: str) -> None:
    with pytest.raises(NotFound, match="There is no such route; /docs lists them all"):
        table.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", FILE + "a/b", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", FILE + "a/b/url", "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/s3/upload", "OPTIONS, POST"),
        ("HEAD", "/api/v1/s3/upload", "OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_method_names_the_right_ones(table: RouteTable, method: str, path: str, allow: str) -> None:
    with pytest.raises(MethodNotAllowed) as raised:
        table.find(method, path)
    assert raised.value.metadata["allow"] == allow == table.allow(path)


def test_keys_that_are_not_utf8(table: RouteTable) -> None:
    with pytest.raises(MalformedRequest):
        table.find("GET", FILE + "a%ff")


def test_plain_parameters_hold_one_segment() -> None:
    routes = Routes("test")

    @routes.add("GET", "/events/{event_id}/media/{media_id}")
    async def media(call: Call) -> Reply:
        return Reply(200)

    table = RouteTable(routes)
    assert table.find("GET", "/events/1/media/a%2Fb")[1] == {"event_id": "1", "media_id": "a/b"}
    with pytest.raises(NotFound):
        table.find("GET", "/events/1/media/a/b")


def test_a_route_is_registered_once() -> None:
    operations = list(all_operations())
    with pytest.raises(ValueError, match="routed twice"):
        RouteTable([*operations, operations[0]])
