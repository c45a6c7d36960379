"""The tree saved by the project case."""

from __future__ import annotations

import base64
import json

from benchmarks import project_tree
from benchmarks.project_tree import WHOLE, Shape

SMALL = Shape(files=210, size=3000)


def saved(edition: int) -> dict[str, bytes]:
    body = json.loads(b"".join(project_tree.as_json("large", SMALL, edition)))
    assert (body["name"], body["slug"]) == ("large", "large")
    return {
        file["path"]: base64.b64decode(file["content"])
        if file["encoding"] == "base64"
        else file["content"].encode()
        for file in body["files"]
    }


def test_it_has_the_shape_that_was_asked_for() -> None:
    files = saved(1)
    assert len(files) == SMALL.files == len(set(files.values()))
    assert {len(content) for content in files.values()} == {SMALL.size}


def test_one_file_in_a_hundred_differs_between_editions() -> None:
    first, second = saved(1), saved(2)
    assert first.keys() == second.keys()
    assert sum(first[path] != second[path] for path in first) == 3


def test_the_whole_is_as_large_as_projects_may_be() -> None:
    assert WHOLE.files == 5_000
    assert 99 << 20 < WHOLE.files * WHOLE.size <= 100 << 20
    assert len(project_tree.content(4_999, WHOLE, 1)) == WHOLE.size
