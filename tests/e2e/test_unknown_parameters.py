"""Lists refuse unknown parameters by name; those that pages add to bypass caches are ignored."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest

from gateway.operations.openapi import doc_of
from gateway.operations.routing import Operation
from gateway.surface import all_operations
from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.operations import WAYS
from tests.e2e.shapes import check_problem

NO_PAGES: Final = ("list_project_versions", "empty_trash")
"""Lists without pages."""


def _parameters(operation: Operation) -> set[str]:
    """Documented query parameters."""
    return {one["name"] for one in doc_of(operation).parameters if one["in"] == "query"}


LISTS: Final = {
    f"{one.method} {one.path}": one
    for one in all_operations()
    if not (one.hidden or one.public) and ("page_token" in _parameters(one) or one.name in NO_PAGES)
}


@pytest.fixture
def owner(user: str, http: httpx.Client) -> Belongings:
    return Belongings(user, http)


@pytest.fixture(params=sorted(LISTS))
def asked(request: pytest.FixtureRequest, owner: Belongings, login: Login) -> tuple[Belongings, str]:
    """A user who may request the list, and its name."""
    name: str = request.param
    if WAYS[name].stranger == "denied":
        return Belongings(owner.name, login(owner.name, roles=["admin"])), name
    return owner, name


def _ask(owner: Belongings, name: str, params: dict[str, Any]) -> httpx.Response:
    return owner.http.request(name.partition(" ")[0], WAYS[name].path(owner), params=params)


def test_there_are_lists() -> None:
    assert len(LISTS) >= 8


def test_unknown_parameters(asked: tuple[Belongings, str]) -> None:
    owner, name = asked
    known = _parameters(LISTS[name])
    for unknown in ("query", "Limit", "limit ", "sorting", "filter[type]", "userid", "ä", "page\n"):
        problem = check_problem(_ask(owner, name, {unknown: "1"}), 422, "INVALID_FIELD")
        assert problem["errors"][0]["rule"] == "unknown"
        told = problem["detail"].rpartition("It knows: ")[2].rstrip(".").split(", ")
        assert set(told) == known
    both = check_problem(_ask(owner, name, {"sorting": "1", "order": "2"}), 422, "INVALID_FIELD")
    assert [one["field"] for one in both["errors"]] == ["sorting", "order"]
    assert both["detail"].startswith("sorting, order: ")


def test_what_gets_past_caches(asked: tuple[Belongings, str]) -> None:
    owner, name = asked
    for passed in ("_", "_t", "t", "ts", "cb", "nocache", "rnd", "timestamp"):
        reply = _ask(owner, name, {passed: "1764370000", "user_id": owner.name})
        assert reply.status_code == WAYS[name].status, reply.text


def test_elsewhere_they_are_passed_over(owner: Belongings) -> None:
    for path in ("/api/generations/stats", f"/api/v1/s3/file/{owner.quoted_key}", "/api/v1/usage"):
        assert owner.http.get(path, params={"utm_source": "x"}).status_code == 200
