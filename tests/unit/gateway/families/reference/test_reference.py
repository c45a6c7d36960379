"""docs/rest.md names every route."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.operations.routing import Operation
from gateway.surface import all_operations

REFERENCE = (Path(__file__).resolve().parents[5] / "docs" / "rest.md").read_text("utf-8")
NAMED = {
    (method, path)
    for span in re.findall(r"`([^`\n]+)`", REFERENCE)
    for path in re.findall(r"(/[\w./{}-]*)$", span)
    for method in re.findall(r"[A-Z]+", span)
}
#: ``GET`, `PATCH`, `DELETE /path``: earlier methods have code spans of their own.
LISTED = {
    (method, path)
    for methods, path in re.findall(r"((?:`[A-Z]+`, )+)`[A-Z]+ (/[^`]+)`", REFERENCE)
    for method in re.findall(r"[A-Z]+", methods)
}


@pytest.mark.parametrize("operation", list(all_operations()), ids=lambda one: f"{one.method} {one.path}")
def test_every_route_is_named(operation: Operation) -> None:
    path = operation.path.replace(":path", "")
    assert (operation.method, path) in NAMED | LISTED | {("GET", "/docs/{name}")}
