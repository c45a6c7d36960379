"""No test's request depends on the machine's speed: httpx's default time-out is five seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.unit.house.test_house import text_of, tracked

SENDS = {"Client", "AsyncClient", "request", "stream", "get", "head", "post", "put", "patch", "delete"}


def impatient(code: str) -> Iterator[int]:
    """The lines of ``code`` that send by httpx, or make a client, without a timeout."""
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and (node.func.value.id, node.func.attr in SENDS) == ("httpx", True)
            and not any(word.arg in {"timeout", None} for word in node.keywords)
        ):
            yield node.lineno


def test_every_request_says_how_long_it_waits() -> None:
    tests = [path for path in tracked() if path.parts[0] == "tests" and path.suffix == ".py"]
    found = [f"{path}:{line}" for path in tests for line in impatient(text_of(path))]
    assert not found
    assert list(impatient("import httpx\nhttpx.get('/')\nhttpx.get('/', timeout=60)")) == [2]
