"""Family C: golden bodies of every answer."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import upload, without_urls
from tests.e2e.shapes import STAMP, TIME, URL, UUID, check, check_problem


@pytest.fixture
def path() -> str:
    """The media of a new event."""
    return f"/api/v1/events/{uuid.uuid4()}/media"


def shape(path: str, **more: Any) -> dict[str, Any]:
    """A medium."""
    event = path.split("/")[4]
    plain = {
        "id": UUID, "event_id": event, "title": None, "description": None, "file_url": URL,
        "s3_key": re.compile(rf"events/{event}/media/{STAMP}\.(png|jpg|pdf|wav)"), "file_type": "image/png",
        "file_size": len(samples.png()), "tags": [], "created_at": TIME, "updated_at": TIME,
    }  # fmt: skip
    return {**plain, **more}


def add(http: httpx.Client, path: str, files: Any = None, **fields: str) -> dict[str, Any]:
    """Store a medium."""
    reply = http.post(path, data=fields, files=files or upload())
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_storing_and_reading(http: httpx.Client, path: str) -> None:
    reply = http.post(path, data={"title": "T", "description": "D", "tags": "b, a ,,b"}, files=upload())
    assert reply.status_code == 201
    full = shape(path, title="T", description="D", tags=lambda tags: tags == ["b", "a"])
    check(reply.json(), full)
    one = http.get(f"{path}/{reply.json()['id']}")
    assert one.status_code == 200
    check(one.json(), full)
    assert without_urls(one.json()) == without_urls(reply.json())
    assert one.headers["etag"] == reply.headers["etag"]
    check(add(http, path), shape(path))


def test_the_list(http: httpx.Client, path: str) -> None:
    check(
        http.get(path).json(),
        {"items": [shape(path)], "total": 0, "skip": 0, "limit": 100, "next_page_token": None},
    )
    ids = [add(http, path)["id"] for _ in range(3)]
    page = http.get(path, params={"limit": 2}).json()
    check(page, {"items": [shape(path)], "total": 3, "skip": 0, "limit": 2, "next_page_token": str})
    assert [one["id"] for one in page["items"]] == ids[:0:-1]
    newer = add(http, path)["id"]
    rest = http.get(path, params={"limit": 2, "page_token": page["next_page_token"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["total"], rest["next_page_token"]) == (
        ids[:1],
        4,
        None,
    )
    skipped = http.get(path, params={"skip": 1, "limit": 1}).json()
    assert (skipped["items"][0]["id"], skipped["skip"]) == (ids[2], 1)
    assert http.get(path).json()["items"][0]["id"] == newer


def test_filters(http: httpx.Client, path: str) -> None:
    png = add(http, path, tags="evening,dance")["id"]
    jpeg = add(http, path, upload(samples.JPEG, "a.jpg", "image/jpeg"), tags="dance")["id"]
    pdf = add(http, path, upload(samples.PDF, "a.pdf", "application/pdf"))["id"]
    sound = add(http, path, upload(samples.wav(), "a.wav", "audio/wav"))["id"]

    def found(**params: str) -> list[str]:
        page = http.get(path, params=params).json()
        assert page["total"] == len(page["items"])
        return [one["id"] for one in page["items"]]

    assert found(file_type="image/jpeg") == [jpeg]
    assert found(file_type="image/*") == [jpeg, png]
    assert found(file_type="IMAGE/*") == [jpeg, png]
    assert found(file_type="application/*") == [pdf]
    assert found(file_type="audio/*") == [sound]
    check_problem(http.get(path, params={"file_type": "image/%"}), 422, "INVALID_FIELD")
    assert found(file_type="*/*") == [sound, pdf, jpeg, png]
    assert found(tag="dance") == [jpeg, png]
    assert found(tag="evening", file_type="image/*") == [png]
    assert found(tag="danc") == []


@pytest.mark.parametrize(
    "params", [{"skip": "-1"}, {"limit": "-1"}, {"limit": "x"}, {"limit": "0"}, {"skip": "1.5"}]
)
def test_limits_that_are_none(http: httpx.Client, path: str, params: dict[str, str]) -> None:
    check_problem(http.get(path, params=params), 422, "INVALID_FIELD")


def test_limits_over_the_maximum_are_lowered(http: httpx.Client, path: str) -> None:
    assert http.get(path, params={"limit": "100000"}).json()["limit"] == 100


def test_page_tokens_belong_to_their_query(http: httpx.Client, path: str) -> None:
    add(http, path), add(http, path)
    token = http.get(path, params={"limit": 1}).json()["next_page_token"]
    other = {"limit": "1", "page_token": token, "tag": "x"}
    check_problem(http.get(path, params=other), 422, "INVALID_PAGE_TOKEN")
    check_problem(http.get(path, params={"page_token": "nonsense"}), 422, "INVALID_PAGE_TOKEN")
    check_problem(http.get(path, params={"page_token": token, "skip": "1"}), 422, "INVALID_FIELD")


def test_edits(http: httpx.Client, path: str) -> None:
    made = http.post(path, data={"title": "T", "tags": "a"}, files=upload())
    one, etag = f"{path}/{made.json()['id']}", made.headers["etag"]
    edited = http.patch(one, json={"title": "New", "tags": ["b", "c"]}, headers={"If-Match": etag})
    assert edited.status_code == 200, edited.text
    check(edited.json(), shape(path, title="New", tags=lambda tags: tags == ["b", "c"]))
    assert edited.headers["etag"] not in ("", etag)
    assert edited.json()["updated_at"] > made.json()["updated_at"]
    check_problem(
        http.patch(one, json={"title": "Late"}, headers={"If-Match": etag}), 412, "PRECONDITION_FAILED"
    )
    assert without_urls(http.get(one).json()) == without_urls(edited.json())
    kept = http.patch(one, json={"description": "only this"}).json()
    assert (kept["title"], kept["tags"], kept["description"]) == ("New", ["b", "c"], "only this")
    emptied = http.patch(one, json={"tags": [], "title": ""}, headers={"If-Match": "*"}).json()
    assert (emptied["title"], emptied["tags"]) == (None, [])
    assert http.get(path, params={"tag": "b"}).json()["total"] == 0


@pytest.mark.parametrize(
    "body", [{"title": 7}, {"title": "x" * 256}, {"tags": ["x"] * 33}, {"tags": [""]}, {"tags": "a"}, []]
)
def test_edits_that_break_a_rule(http: httpx.Client, path: str, body: Any) -> None:
    one = f"{path}/{add(http, path)['id']}"
    check_problem(http.patch(one, json=body), 422, "INVALID_FIELD")


def test_texts_that_postgres_cannot_hold(http: httpx.Client, path: str) -> None:
    one = f"{path}/{add(http, path)['id']}"
    assert http.patch(one, json={"title": "a\0b"}).status_code == 422
    assert http.patch(
        one, content=b'{"title": "\\ud800"}', headers={"content-type": "application/json"}
    ).status_code in (400, 422)


def test_downloads(http: httpx.Client, path: str) -> None:
    one = f"{path}/{add(http, path, upload(name='Grüße.png'))['id']}"
    saved, played = http.get(f"{one}/download"), http.get(f"{one}/stream")
    assert saved.content == played.content == samples.png()
    assert saved.headers["content-disposition"].startswith("attachment")
    assert f"filename*=UTF-8''{quote('Grüße.png')}" in saved.headers["content-disposition"]
    assert played.headers["content-disposition"].startswith("inline")
    assert (played.headers["accept-ranges"], played.headers["content-type"]) == ("bytes", "image/png")
    part = http.get(f"{one}/stream", headers={"range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, samples.png()[2:6])


def test_deleting(http: httpx.Client, path: str) -> None:
    one = f"{path}/{add(http, path)['id']}"
    reply = http.delete(one)
    assert (reply.status_code, reply.content) == (204, b"")
    check_problem(http.get(one), 404, "FILE_NOT_FOUND")
    check_problem(http.delete(one), 404, "FILE_NOT_FOUND")
    check_problem(http.patch(one, json={"title": "x"}), 404, "FILE_NOT_FOUND")
    assert http.get(path).json()["total"] == 0


def test_a_medium_belongs_to_its_event(http: httpx.Client, path: str) -> None:
    made = add(http, path)
    other = f"/api/v1/events/{uuid.uuid4()}/media/{made['id']}"
    for method, suffix in (("GET", ""), ("GET", "/stream"), ("GET", "/download"), ("DELETE", "")):
        check_problem(http.request(method, other + suffix), 404, "FILE_NOT_FOUND")
    check_problem(http.patch(other, json={"title": "x"}), 404, "FILE_NOT_FOUND")
    check_problem(http.get("/api/v1/events/party/media"), 422, "INVALID_FIELD")
    check_problem(http.post("/api/v1/events/party/media", files=upload()), 422, "INVALID_FIELD")
    check_problem(http.get(f"{path}/no-uuid"), 404, "FILE_NOT_FOUND")


def test_refusals_of_files(http: httpx.Client, path: str) -> None:
    large = samples.png() + bytes(1 << 20)  # the stack's MAX_FILE_SIZE
    problem = check_problem(http.post(path, files=upload(large)), 413, "SIZE_LIMIT_EXCEEDED")
    assert problem["metadata"]["limit"] == str(1 << 20)
    assert str(1 << 20) in problem["detail"]
    check_problem(
        http.post(path, files=upload(b"MZ" + bytes(99), "a.exe", "")), 422, "CONTENT_TYPE_NOT_ALLOWED"
    )
    check_problem(http.post(path, files=upload(samples.PDF)), 422, "CONTENT_TYPE_MISMATCH")
    for fields in ({"title": "x" * 256}, {"tags": ",".join(map(str, range(33)))}, {"tags": "x" * 65}):
        check_problem(http.post(path, files=upload(), data=fields), 422, "INVALID_FIELD")
    check_problem(http.post(path, data={"title": "x"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert http.get(path).json()["total"] == 0


def test_idempotency(http: httpx.Client, path: str) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = http.post(path, files=upload(), data={"title": "a"}, headers=key)
    again = http.post(path, files=upload(), data={"title": "a"}, headers=key)
    assert without_urls(first.json()) == without_urls(again.json())
    other = http.post(path, files=upload(samples.png(9)), data={"title": "a"}, headers=key)
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    other = http.post(path, files=upload(), data={"title": "b"}, headers=key)
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    check_problem(http.post(path, files=upload(), headers={"Idempotency-Key": ""}), 422, "INVALID_FIELD")
    assert http.get(path).json()["total"] == 1
