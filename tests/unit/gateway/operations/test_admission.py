"""Every operation that transfers a file's bytes holds a permit for transfers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.operations.admission import OPEN, PREVIEW_PATHS, PROBES, SESSIONS, ZIP_ENDING, Admission
from gateway.operations.openapi import build_document
from gateway.operations.routing import Operation
from gateway.surface import all_operations
from gateway.upstream.call import Services
from servicekit.limits import CapSettings, Holds, Limiter
from servicekit.limits.limiter import IMPORTS, TRANSFERS
from strongroom.errors import RateLimited


def test_what_is_listed_exists() -> None:
    known = {(one.method, one.path) for one in all_operations()}
    assert set(OPEN) | SESSIONS <= known
    assert {path for _, path in known} >= PROBES


def test_whatever_moves_bytes_is_listed() -> None:
    document = build_document(all_operations())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if _moves_bytes(operation) and not path.startswith(PREVIEW_PATHS):
                key = next(
                    (key for key in OPEN if key[0] == method.upper() and key[1].replace(":path", "") == path),
                    None,
                )
                assert key is not None, f"{method} {path}"
                assert OPEN[key] in {TRANSFERS, IMPORTS}


async def test_visitors_of_previews_have_places_of_their_own() -> None:
    """An address may be that of a school: its visitors are not limited to one user's transfers."""
    settings = SimpleNamespace(gateway_secret=None, trusted_proxies=())
    limiter = Limiter(CapSettings(user_transfers=1, address_previews=3))
    admission = Admission(cast("Services", SimpleNamespace(limiter=limiter, settings=settings)))
    preview = next(
        one for one in all_operations() if one.path.startswith("/api/preview/") and one.method == "GET"
    )

    async def visit(address: str, holds: Holds) -> None:
        scope = {"type": "http", "client": (address, 1), "headers": []}
        await admission.enter(preview, scope, holds)

    with Holds() as holds:
        for _ in range(3):
            await visit("198.51.100.7", holds)
        with pytest.raises(RateLimited, match="files of previews"):
            await visit("198.51.100.7", holds)
        await visit("198.51.100.8", holds)
        assert await limiter.hold(TRANSFERS, "ada") is not None
    with Holds() as holds:
        await visit("198.51.100.7", holds)


async def test_whoever_is_answered_zips_has_few_at_once() -> None:
    settings = SimpleNamespace(gateway_secret=None, trusted_proxies=())
    limiter = Limiter(CapSettings(user_archives=2))
    admission = Admission(cast("Services", SimpleNamespace(limiter=limiter, settings=settings)))
    shared = next(one for one in all_operations() if one.public and one.path.endswith(ZIP_ENDING))
    plain = next(one for one in all_operations() if one.path.startswith("/s/") and one is not shared)

    async def visit(operation: Operation, holds: Holds) -> None:
        scope = {"type": "http", "client": ("198.51.100.7", 1), "headers": []}
        await admission.enter(operation, scope, holds)

    with Holds() as holds:
        for _ in range(2):
            await visit(shared, holds)
        with pytest.raises(RateLimited, match="2 ZIPs at once"):
            await visit(shared, holds)
        await visit(plain, holds)
    with Holds() as holds:
        await visit(shared, holds)
    zips = [path for path, methods in build_document(all_operations())["paths"].items() if _is_zip(methods)]
    assert len(zips) >= 2
    assert [path for path in zips if not path.endswith(ZIP_ENDING)] == []


def _is_zip(methods: dict[str, Any]) -> bool:
    answers = methods.get("get", {}).get("responses", {}).values()
    return any("application/zip" in answer.get("content", {}) for answer in answers)


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
