"""Readers other than the owner get pictures and videos without their place, on every route."""

from __future__ import annotations

import io
import uuid
import zipfile
from typing import Any, Final

import httpx
import pytest

from tests.e2e import camera
from tests.e2e.belongings import upload
from tests.e2e.conftest import Login
from tests.e2e.strangers import stranger
from tests.e2e.test_media_facts import until
from tests.stack import RunningStack

PICTURE: Final = camera.picture("JPEG", xmp=camera.XMP)
VIDEO: Final = camera.video()
KINDS: Final = {"a.jpg": (PICTURE, "image/jpeg"), "a.mp4": (VIDEO, "video/mp4")}
SECRETS: Final = (b"48,51.4N", camera.PLACE.encode(), b"\0\0\0\x30\0\0\0\x01", b"\x30\0\0\0\x01\0\0\0")


def has_place(body: bytes) -> bool:
    return any(secret in body for secret in SECRETS)


@pytest.fixture
def event(http: httpx.Client) -> dict[str, dict[str, Any]]:
    """A picture and a video of one event, by name, not read by the media service yet."""
    where = f"/api/v1/events/{uuid.uuid4()}/media"
    found = {}
    for name, (body, kind) in KINDS.items():
        stored = http.post(where, files=upload(body, name, kind))
        assert stored.status_code == 201, stored.text
        found[name] = stored.json()
    return found


def test_links(stack: RunningStack, http: httpx.Client, event: dict[str, dict[str, Any]]) -> None:
    for name, (body, kind) in KINDS.items():
        assert has_place(body)
        url = event[name]["file_url"]
        with stranger() as anybody:
            seen = anybody.get(url)
            assert (seen.status_code, len(seen.content)) == (200, len(body))
            assert not has_place(seen.content)
            assert seen.headers["content-type"] == kind
            assert "repr-digest" not in seen.headers
            for begin, end in ((0, 99), (200, 600), (len(body) - 30, len(body) - 1)):
                part = anybody.get(url, headers={"range": f"bytes={begin}-{end}"})
                assert (part.status_code, part.content) == (206, seen.content[begin : end + 1])
            head = anybody.head(url)
            assert (head.headers["content-length"], head.headers["etag"]) == (
                str(len(body)),
                seen.headers["etag"],
            )
            assert "repr-digest" not in head.headers
        where = f"/api/v1/events/{event[name]['event_id']}/media/{event[name]['id']}"
        own = http.get(f"{where}/stream")
        assert own.content == body
        assert "repr-digest" in own.headers
        assert until(http, where, lambda row: row)["has_location"] is True


@pytest.mark.parametrize("scope", ["file_id", "event_id"])
def test_shares(http: httpx.Client, event: dict[str, dict[str, Any]], scope: str) -> None:
    media = event["a.jpg"]
    of = {"file_id": media["id"]} if scope == "file_id" else {"event_id": media["event_id"]}
    made = http.post("/api/v1/shares", json=of)
    assert made.status_code == 201, made.text
    token = made.json()["url"].rstrip("/").rpartition("/")[2]
    with stranger(str(http.base_url)) as guest:
        seen = guest.get(f"/s/{token}/file/{media['id']}")
        assert (seen.status_code, len(seen.content)) == (200, len(PICTURE))
        assert not has_place(seen.content)
        assert "repr-digest" not in seen.headers
        archive = guest.get(f"/s/{token}/archive")
        assert archive.status_code == 200
        with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
            assert packed.testzip() is None
            bodies = {name: packed.read(name) for name in packed.namelist()}
        assert len(bodies["a.jpg"]) == len(PICTURE)
        assert not any(has_place(body) for body in bodies.values())


def test_pictures_without_a_place_are_given_out_as_they_are(http: httpx.Client) -> None:
    body = camera.picture("JPEG", place=False)
    stored = http.post("/api/v1/temp", files=upload(body, "a.jpg", "image/jpeg")).json()
    seen = httpx.get(stored["url"], trust_env=False, timeout=60)
    assert seen.content == body
    assert "repr-digest" in seen.headers
    assert "has_location" not in until(http, f"/api/v1/files/{stored['id']}", lambda row: row)


def test_what_has_no_place_in_rows(
    http: httpx.Client, event: dict[str, dict[str, Any]], login: Login
) -> None:
    where = f"/api/v1/events/{event['a.jpg']['event_id']}/media"
    row = until(http, f"{where}/{event['a.jpg']['id']}", lambda row: row)
    assert not {"latitude", "longitude", "gps", "location", "masks"} & set(row)
    assert login(f"other-{uuid.uuid4()}").get(where).json()["items"] == []
