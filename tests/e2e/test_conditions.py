"""A conditional change applies only to the state that the client has seen (RFC 9110 section 13.1)."""

from __future__ import annotations

import uuid
from typing import Any, Final

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.shapes import check_problem

PICTURE: Final = "/api/v1/users/me/profile-picture"
EPOCH: Final = "Thu, 01 Jan 1970 00:00:00 GMT"
STALE: Final[list[dict[str, str]]] = [
    {"if-match": '"seen"'},
    {"if-unmodified-since": EPOCH},
    {"if-none-match": "*"},
]


def refused(reply: httpx.Response) -> None:
    """The answer is 412, and nothing was done."""
    check_problem(reply, 412, "PRECONDITION_FAILED")


@pytest.mark.parametrize("stale", STALE, ids=[next(iter(headers)) for headers in STALE])
def test_the_picture(http: httpx.Client, stale: dict[str, str]) -> None:
    assert http.put(PICTURE, files=upload(), headers={"if-none-match": "*"}).status_code == 200
    seen = http.get(PICTURE)
    refused(http.put(PICTURE, files=upload(samples.png(2)), headers=stale))
    refused(http.delete(PICTURE, headers=stale))
    assert http.get(PICTURE).content == samples.png()
    same = {"if-match": seen.headers["etag"], "if-unmodified-since": seen.headers["last-modified"]}
    assert http.put(PICTURE, files=upload(samples.png(2)), headers=same).status_code == 200
    refused(http.delete(PICTURE, headers=same))
    now = http.get(PICTURE).headers["etag"]
    refused(http.delete(PICTURE, headers={"if-none-match": now}))
    assert http.delete(PICTURE, headers={"if-match": now}).status_code == 204
    refused(http.put(PICTURE, files=upload(), headers={"if-match": now}))
    assert http.get(PICTURE).status_code == 404


def test_the_first_picture_repeated_under_its_key(http: httpx.Client) -> None:
    headers = {"if-none-match": "*", "idempotency-key": str(uuid.uuid4())}
    first = http.put(PICTURE, files=upload(), headers=headers)
    again = http.put(PICTURE, files=upload(), headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["id"] == first.json()["id"]


def test_a_medium_that_was_edited_since(http: httpx.Client) -> None:
    made = http.post(f"/api/v1/events/{uuid.uuid4()}/media", files=upload())
    one = f"/api/v1/events/{made.json()['event_id']}/media/{made.json()['id']}"
    seen = {"if-match": made.headers["etag"]}
    edited = http.patch(one, json={"title": "New"}, headers=seen)
    refused(http.delete(one, headers=seen))
    assert http.delete(one, headers={"if-match": edited.headers["etag"]}).status_code == 204


@pytest.mark.parametrize("stale", STALE[:2], ids=[next(iter(headers)) for headers in STALE[:2]])
def test_a_plain_file(http: httpx.Client, stale: dict[str, str]) -> None:
    key = http.post("/api/v1/s3/upload", files=upload()).json()["key"]
    path = f"/api/v1/s3/file/{key}"
    refused(http.delete(path, headers=stale))
    seen = http.get(path)
    held = {"if-unmodified-since": seen.headers["last-modified"], "if-modified-since": EPOCH}
    assert http.delete(path, headers=held).status_code == 200


@pytest.mark.parametrize("headers", STALE, ids=[next(iter(headers)) for headers in STALE])
def test_routes_that_know_no_conditions_do_nothing(http: httpx.Client, headers: dict[str, Any]) -> None:
    tree = {"name": "n", "slug": "conditions", "files": [{"path": "a", "content": "1"}]}
    assert http.post("/api/projects/save", json=tree).status_code == 200
    made = http.post("/api/generations/upload", files=upload(), data={"type": "text-to-image"})
    generation = f"/api/generations/{made.json()['generation']['id']}"
    refused(http.delete("/api/projects/conditions", headers=headers))
    refused(http.patch("/api/projects/conditions", json={"removed": ["a"]}, headers=headers))
    refused(http.delete(generation, headers=headers))
    refused(http.delete("/api/v1/trash", headers=headers))
    key = http.post("/api/v1/s3/upload", files=upload()).json()["key"]
    place = {"target": {"family": "path", "path": "p"}, "replace": True}
    for act in ("move", "copy"):
        refused(http.post(f"/api/v1/files/{key}/{act}", json=place, headers=headers))
    tus = {"tus-resumable": "1.0.0", "upload-length": "1", **headers}
    assert http.post("/files", headers=tus).status_code == 412
    assert http.get(f"/api/v1/s3/file/{key}").status_code == 200
    assert http.get("/api/projects/conditions").status_code == http.get(generation).status_code == 200
    assert http.delete("/api/projects/conditions").status_code == 200
