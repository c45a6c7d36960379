"""Every operation that takes or sends a file's bytes has a place of the transfers."""

from __future__ import annotations

from typing import Any

from gateway.operations.admission import OPEN, PREVIEWS, PROBES, SESSIONS
from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from servicekit.limits.limiter import IMPORTS, TRANSFERS


def test_what_is_listed_exists() -> None:
    known = {(one.method, one.path) for one in all_operations()}
    assert set(OPEN) | SESSIONS <= known
    assert {path for _, path in known} >= PROBES


def test_whatever_moves_bytes_is_listed() -> None:
    document = build_document(all_operations())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if _moves_bytes(operation) and not path.startswith(PREVIEWS):
                key = next(
                    (key for key in OPEN if key[0] == method.upper() and key[1].replace(":path", "") == path),
                    None,
                )
                assert key is not None, f"{method} {path}"
                assert OPEN[key] in {TRANSFERS, IMPORTS}


def _moves_bytes(operation: dict[str, Any]) -> bool:
    taken = operation.get("requestBody", {}).get("content", {})
    sent = [
        kind for code, one in operation["responses"].items() if code < "3" for kind in one.get("content", {})
    ]
    plain = {
        "application/json",
        "text/html",
        "text/plain",
        "text/event-stream",
        "application/merge-patch+json",
    }
    return bool(({*taken, *sent}) - plain)
