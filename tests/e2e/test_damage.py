"""An object damaged on the store's disk: its reader is cut off, and only its owner gets an event."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.belongings import upload
from tests.e2e.conftest import Login
from tests.e2e.test_notifications import DOORS, Door, store, until_seen
from tests.stack import RunningStack

Damaged = Callable[[httpx.Client, bytes], tuple[str, dict[str, Any]]]
FIRST = "index.html"


def rot(stack: RunningStack, body: bytes) -> None:
    """Flip one bit of the only object with this content, in the embedded store's files."""
    kept = [path for path in stack.store_dir.rglob("*.data") if _holds(path, body)]
    assert len(kept) == 1, kept
    kept[0].write_bytes(bytes([body[0] ^ 1]) + body[1:])


def _holds(path: Path, body: bytes) -> bool:
    try:
        return path.stat().st_size == len(body) and path.read_bytes() == body
    except FileNotFoundError:  # another test's object, deleted meanwhile
        return False


def is_whole(http: httpx.Client, path: str) -> bool:
    try:
        return http.get(path).status_code == 200
    except httpx.RemoteProtocolError:
        return False


def body_of_its_own() -> bytes:
    return f"<!doctype html><title>{uuid.uuid4()}</title>".encode()


def damaged_file(http: httpx.Client, body: bytes) -> tuple[str, dict[str, Any]]:
    """Upload a file that a test will damage. Returns its path for reading, and the fields of its event."""
    reply = http.post("/api/v1/s3/upload", files=upload(body, "a.html", "text/html"))
    key = reply.json()["key"]
    return f"/api/v1/s3/file/{key}", {"family": "file", "key": key, "filename": "a.html"}


def damaged_project_file(http: httpx.Client, body: bytes) -> tuple[str, dict[str, Any]]:
    project = {"name": "n", "slug": "site", "files": [{"path": FIRST, "content": body.decode()}]}
    assert http.post("/api/projects/save", json=project).status_code == 200
    url = http.get("/api/projects/site/preview-url").json()["preview_url"]
    return url, {"family": "project_file", "slug": "site", "path": FIRST, "from_version": 1}


@pytest.mark.parametrize("damaged", [damaged_file, damaged_project_file])
@pytest.mark.parametrize("door", DOORS)
def test_the_owner_hears_of_damage(
    stack: RunningStack, login: Login, user: str, door: Door, damaged: Damaged
) -> None:
    http, body, other = login(user), body_of_its_own(), f"{user}-other"
    with door(stack, user) as mine, door(stack, other) as theirs:
        path, facts = damaged(http, body)
        assert is_whole(http, path)
        rot(stack, body)
        assert [is_whole(http, path) for _ in range(3)] == [False] * 3
        *before, event = until_seen(mine, "file_damaged")
        assert [one["type"] for one in before if one["type"] == "file_damaged"] == []
        assert event["data"] == event["data"] | facts | {"damage": "corrupt", "size_bytes": len(body)}
        key = store(http)  # three readers, one event
        assert [one["type"] for one in until_seen(mine, "file_ready")] == ["file_ready"]
        assert key != event["data"]["key"]
        store(login(other))
        assert [one["type"] for one in until_seen(theirs, "file_ready")] == ["file_ready"]
    assert "object_damaged" in stack.log("storage")
