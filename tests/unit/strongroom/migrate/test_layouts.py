"""The meaning of a path."""

from __future__ import annotations

import pytest

from strongroom.migrate.layouts import Layout
from strongroom.migrate.problems import PlanProblem


@pytest.mark.parametrize(
    ("layout", "path", "fields"),
    [
        ("{owner}/{path}", "alice/a/b.txt", {"owner": "alice", "path": "a/b.txt"}),
        (
            "{owner}/{kind}/{name}",
            "u1/text-to-image/f.png",
            {"owner": "u1", "kind": "text-to-image", "name": "f.png"},
        ),
        (
            "events/{event}/media/*/*/*/{name}",
            "events/e/media/2024/01/02/f.jpg",
            {"event": "e", "name": "f.jpg"},
        ),
        ("user-{owner}/{name}", "user-7/a.txt", {"owner": "7", "name": "a.txt"}),
        ("{path}", "odd ($.^)\nname", {"path": "odd ($.^)\nname"}),
        ("a.b/{name}", "a.b/c", {"name": "c"}),
    ],
)
def test_fields_are_read(layout: str, path: str, fields: dict[str, str]) -> None:
    assert Layout.of(layout).read(path) == fields


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        ("{owner}/{path}", "top.txt"),
        ("{owner}/{name}", "a/b/c"),
        ("user-{owner}/{name}", "admin-7/a.txt"),
        ("a.b/{name}", "axb/c"),
        ("*/{name}", "/c"),
    ],
)
def test_what_is_laid_out_otherwise_is_not(layout: str, path: str) -> None:
    assert Layout.of(layout).read(path) is None


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("{user}/{path}", "knows no {user}"),
        ("{path}/{name}", "comes last"),
        ("{owner}/{owner}", "twice"),
        ("*/*", "names no field"),
        ("", "names no field"),
    ],
)
def test_a_layout_that_makes_no_sense_is_told_why(layout: str, said: str) -> None:
    with pytest.raises(PlanProblem, match=said):
        Layout.of(layout)


@pytest.mark.parametrize(
    ("layout", "depth"), [("{owner}/{slug}/{path}", 2), ("{slug}/{path}", 1), ("{owner}/{path}", None)]
)
def test_where_projects_lie(layout: str, depth: int | None) -> None:
    assert Layout.of(layout).folder_depth() == depth
