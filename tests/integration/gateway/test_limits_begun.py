"""Rates of begun uploads and imports, and the cap of imports, as seen by HTTP clients."""

from __future__ import annotations

from typing import Any

import pytest

from servicekit.limits.limiter import IMPORTS
from tests.integration.gateway.harness import Running, bearer, run_gateway
from tests.integration.gateway.test_limits import LIST, assert_limited, statuses

IMPORT: dict[str, Any] = {"url": "https://example.com/a.png", "type": "text-to-image"}
BATCH: dict[str, Any] = {"items": [IMPORT]}
TUS = {"tus-resumable": "1.0.0", "upload-length": "5"}


async def begin(gateway: Running, path: str, sub: str = "alice") -> Any:
    """A request that begins an import or a resumable upload."""
    if path == "/files":
        return await gateway.client.post(path, headers={**TUS, **bearer(sub)})
    body = BATCH if path.endswith("/batch") else IMPORT
    if path == "/api/v1/uploads":
        body = {"filename": "a.png", "size": 5}
    return await gateway.client.post(path, json=body, headers=bearer(sub))


@pytest.mark.parametrize("path", ["/api/generations", "/api/generations/batch"])
async def test_imports_begun_in_a_minute(path: str) -> None:
    async with run_gateway(user_imports_per_minute=3) as gateway:
        found = [(await begin(gateway, path)).status_code for _ in range(3)]
        assert 429 not in found
        assert_limited(await begin(gateway, path), "user_imports_begun")
        assert (await begin(gateway, path, "bob")).status_code == found[0]
        assert await statuses(gateway, 2) == [200] * 2  # other requests are admitted


async def test_each_import_of_a_batch_is_one() -> None:
    async def batch(count: int, sub: str) -> Any:
        body = {"items": [IMPORT] * count}
        return await gateway.client.post("/api/generations/batch", json=body, headers=bearer(sub))

    async with run_gateway(user_imports_per_minute=5) as gateway:
        assert (await batch(3, "alice")).status_code != 429
        assert_limited(await batch(3, "alice"), "user_imports_begun")  # all of it or nothing
        assert (await batch(2, "alice")).status_code != 429
        assert_limited(await begin(gateway, "/api/generations"), "user_imports_begun")
        assert (await batch(6, "bob")).status_code != 429  # otherwise refused for ever
        assert_limited(await batch(1, "bob"), "user_imports_begun")


@pytest.mark.parametrize("path", ["/files", "/api/v1/uploads"])
async def test_resumable_uploads_begun_in_a_minute(path: str) -> None:
    async with run_gateway(user_sessions_per_minute=3) as gateway:
        found = [(await begin(gateway, path)).status_code for _ in range(3)]
        assert 429 not in found
        for door in ("/files", "/api/v1/uploads"):  # both routes count together
            assert_limited(await begin(gateway, door), "user_sessions")
        assert (await begin(gateway, path, "bob")).status_code == found[0]
        assert await statuses(gateway, 2) == [200] * 2


async def test_imports_at_once() -> None:
    async with run_gateway(user_imports=2) as gateway:
        held = [await gateway.services.limiter.hold(IMPORTS, "alice") for _ in range(2)]
        for path in ("/api/generations", "/api/generations/batch"):
            assert_limited(await begin(gateway, path), "user_imports")
            assert (await begin(gateway, path, "bob")).status_code != 429
        assert (await gateway.client.get(LIST)).status_code == 200
        assert held[0] is not None
        held[0].release()
        for _ in range(3):  # each releases its permit, failed ones included
            assert (await begin(gateway, "/api/generations")).status_code != 429
