"""Family A: golden bodies of every answer."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import upload, without_urls
from tests.e2e.shapes import TIME, URL, UUID, check, check_problem
from tests.integration.importing.origin import Origin, answer
from tests.stack import until

PATH = "/api/generations"
KINDS = ("text-to-image", "text-to-video", "image-to-image", "image-to-video")


def shape(user: str, kind: str = "text-to-image", **more: Any) -> dict[str, Any]:
    """A generation."""
    key = re.compile(rf"{user}/{kind}/\d{{4}}-\d\d-\d\d-{UUID.pattern}\.(png|mp4)")
    plain = {
        "id": UUID, "user_id": user, "generation_type": kind, "s3_key": key, "s3_url": URL, "prompt": None,
        "settings": None, "file_size": len(samples.png()), "content_type": "image/png", "created_at": TIME,
        "updated_at": TIME, "url": URL, "s3Key": key, "createdAt": TIME,
    }  # fmt: skip
    return {**plain, **more}


def add(http: httpx.Client, kind: str = "text-to-image", **fields: str) -> dict[str, Any]:
    """Store a generation."""
    reply = http.post(f"{PATH}/upload", data={"type": kind, **fields}, files=upload())
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()["generation"]
    return found


def test_pulling_one_from_a_url(http: httpx.Client, user: str, origin: Origin) -> None:
    url = origin.script(user, answer(samples.png()))
    settings = {"seed": 7, "nested": [1.5, None, {"ü": True}]}
    body = {"url": url, "type": "image-to-image", "prompt": "a fox", "settings": settings}
    reply = http.post(PATH, json=body)
    assert reply.status_code == 201, reply.text
    generation = shape(user, "image-to-image", prompt="a fox", settings=lambda got: got == settings)
    check(reply.json(), {"success": True, "message": str, "generation": generation, "externalUrl": url})
    made = reply.json()["generation"]
    assert (made["s3_key"], made["s3_url"], made["created_at"]) == (
        made["s3Key"],
        made["url"],
        made["createdAt"],
    )
    assert urllib.request.urlopen(made["url"]).read() == samples.png()
    one = http.get(f"{PATH}/{made['id']}").json()
    check(one, {"success": True, "generation": generation})
    assert without_urls(one["generation"]) == without_urls(made)


@pytest.mark.parametrize("kind", KINDS)
def test_sending_one(http: httpx.Client, user: str, kind: str) -> None:
    check(add(http, kind), shape(user, kind))


def test_sending_one_answers_as_documented(http: httpx.Client, user: str) -> None:
    reply = http.post(
        f"{PATH}/upload", files=upload(samples.MP4, "a.mp4", "video/mp4"), data={"type": KINDS[1]}
    )
    assert reply.status_code == 201
    video = shape(user, KINDS[1], content_type="video/mp4", file_size=len(samples.MP4))
    check(reply.json(), {"success": True, "message": str, "generation": video})


@pytest.mark.parametrize(
    "text",
    [
        '{"z": 1, "a": 2.50, "big": 123456789012345678901234567890}',
        '{"a": 1.0, "b": [true, null], "c": "é\\n"}',
        '"text"',
        "[]",
        "0",
        "12345678901234567890",
        "{}",
    ],
)
def test_settings_come_back_exactly(http: httpx.Client, text: str) -> None:
    made = add(http, settings=text)
    assert json.dumps(made["settings"]) == json.dumps(json.loads(text))
    listed = http.get(PATH).json()["generations"][0]
    assert json.dumps(listed["settings"]) == json.dumps(json.loads(text))


@pytest.mark.parametrize("text", ["{", "NaN", "[1e400]", "[" * 5000, "[" * 500 + "]" * 500, "\ufeff\ufeff{}"])
def test_settings_that_are_no_json(http: httpx.Client, text: str) -> None:
    reply = http.post(f"{PATH}/upload", data={"type": KINDS[0], "settings": text}, files=upload())
    assert check_problem(reply, 422, "INVALID_FIELD")["metadata"]["field"] == "settings"
    body = '{"url": "http://example.com/", "type": "text-to-image", "settings": ' + text + "}"
    reply = http.post(PATH, content=body.encode(), headers={"content-type": "application/json"})
    check_problem(reply, 400, "MALFORMED_REQUEST")


def test_a_byte_order_mark_is_passed_over(http: httpx.Client) -> None:
    assert add(http, settings='\ufeff{"a": 1}')["settings"] == {"a": 1}


def test_half_a_character(http: httpx.Client, user: str, origin: Origin) -> None:
    """JSON can express it, UTF-8 can't: refused everywhere, with the name of the place."""
    form = {"type": KINDS[0], "settings": '{"a": "\\ud800"}'}
    reply = http.post(f"{PATH}/upload", data=form, files=upload())
    assert check_problem(reply, 422, "INVALID_FIELD")["metadata"]["field"] == "settings.a"
    body = {"url": origin.script(user, answer(samples.png())), "type": KINDS[0]}
    kind = {"content-type": "application/json"}
    for more, field in (({"settings": ["\udfff"]}, "settings[0]"), ({"prompt": "a\ud800"}, "prompt")):
        reply = http.post(PATH, content=json.dumps(body | more), headers=kind)
        assert check_problem(reply, 422, "INVALID_FIELD")["metadata"]["field"] == field


def test_a_batch_keeps_its_order(http: httpx.Client, user: str, origin: Origin) -> None:
    good = origin.script(user, answer(samples.png()))
    items = [
        {"url": good, "type": "text-to-image", "prompt": "one"},
        {"url": "http://10.0.0.1/", "type": "text-to-image"},
        {"url": f"http://{origin.authority}/none", "type": "text-to-image"},
        {"url": good, "type": "image-to-image", "settings": {"n": 4}},
    ]
    reply = http.post(f"{PATH}/batch", json={"items": items})
    assert reply.status_code == 200
    first, refused, failed, last = reply.json()["results"]
    assert set(reply.json()) == {"success", "results"}
    check(first, {"success": True, "generation": shape(user, prompt="one")})
    check(refused, {"success": False, "message": str, "code": "SOURCE_URL_REFUSED"})
    check(failed, {"success": False, "message": str, "code": "SOURCE_URL_FAILED"})
    check(last, {"success": True, "generation": shape(user, "image-to-image", settings={"n": 4})})


def test_a_batch_of_too_many(http: httpx.Client) -> None:
    item = {"url": "http://example.com/", "type": KINDS[0]}
    check_problem(http.post(f"{PATH}/batch", json={"items": [item] * 51}), 422, "INVALID_FIELD")
    check_problem(http.post(f"{PATH}/batch", json={"items": []}), 422, "INVALID_FIELD")


def test_the_list(http: httpx.Client, user: str) -> None:
    members = {"success": True, "generations": [shape(user)], "total": 0, "limit": 20, "offset": 0}
    check(http.get(PATH).json(), {**members, "next_page_token": None})
    ids = [add(http)["id"] for _ in range(3)]
    page = http.get(PATH, params={"limit": 2}).json()
    check(page, {**members, "total": 3, "limit": 2, "next_page_token": str})
    assert [one["id"] for one in page["generations"]] == ids[:0:-1]
    rest = http.get(PATH, params={"limit": 2, "page_token": page["next_page_token"]}).json()
    assert ([one["id"] for one in rest["generations"]], rest["next_page_token"]) == (ids[:1], None)
    skipped = http.get(PATH, params={"offset": 1, "limit": 1}).json()
    assert (skipped["generations"][0]["id"], skipped["offset"], skipped["total"]) == (ids[1], 1, 3)


def test_the_list_by_type(http: httpx.Client) -> None:
    add(http)
    image = add(http, "image-to-image")
    page = http.get(PATH, params={"type": "image-to-image"}).json()
    assert ([one["id"] for one in page["generations"]], page["total"]) == ([image["id"]], 1)
    check_problem(http.get(PATH, params={"type": "painting"}), 422, "INVALID_FIELD")


def test_statistics(http: httpx.Client) -> None:
    size = len(samples.png())
    kept = [add(http), add(http), add(http, "image-to-video")]
    assert http.delete(f"{PATH}/{kept.pop(0)['id']}").status_code == 200
    day = {"date": re.compile(r"\d{4}-\d\d-\d\d"), "count": int, "bytes": int}
    one = {"count": 1, "bytes": size}
    by_type = {"text-to-image": one, "image-to-video": one}
    stats = http.get(f"{PATH}/stats").json()
    check(
        stats,
        {
            "success": True,
            "stats": {
                "total": 2,
                "total_bytes": 2 * size,
                "by_type": by_type,
                "by_day": [day],
                "estimated_monthly_cost_usd": float,
            },
        },
    )
    days = stats["stats"]["by_day"]
    assert len(days) == 30
    assert days == sorted(days, key=lambda item: item["date"])
    assert sum(item["count"] for item in days) == 2
    made = [item["created_at"][:10] for item in kept]
    assert sorted(made) == [item["date"] for item in days for _ in range(item["count"])]
    assert made[-1] in {item["date"] for item in days[-2:]}, "the last day is today"


def test_signed_urls(http: httpx.Client) -> None:
    made = add(http)
    body = http.get(f"{PATH}/{made['id']}/signed-url").json()
    check(body, {"success": True, "signedUrl": URL, "expiresIn": 3600, "expiresAt": TIME})
    assert urllib.request.urlopen(body["signedUrl"]).read() == samples.png()
    for seconds in ("0", "-1", "604801", "soon", "1.5", ""):
        reply = http.get(f"{PATH}/{made['id']}/signed-url", params={"expiresIn": seconds})
        assert check_problem(reply, 422, "INVALID_FIELD")["metadata"]["field"] == "expiresIn"
    assert http.get(f"{PATH}/{made['id']}/signed-url?expiresIn=604800").json()["expiresIn"] == 604800


def test_deleting(http: httpx.Client) -> None:
    made = add(http)
    url = http.get(f"{PATH}/{made['id']}/signed-url").json()["signedUrl"]
    reply = http.delete(f"{PATH}/{made['id']}")
    assert reply.status_code == 200
    check(reply.json(), {"success": True, "message": str})
    check_problem(http.get(f"{PATH}/{made['id']}"), 404, "FILE_NOT_FOUND")
    check_problem(http.get(f"{PATH}/{made['id']}/content"), 404, "FILE_NOT_FOUND")
    check_problem(http.delete(f"{PATH}/{made['id']}"), 404, "FILE_NOT_FOUND")
    with httpx.Client(trust_env=False, verify=False) as anybody:
        until("the object is gone as well", lambda: anybody.get(url).status_code == 404)


def test_other_families_are_not_found_here(http: httpx.Client) -> None:
    stored = http.post("/api/v1/temp", files=upload()).json()
    for method, suffix in (("GET", ""), ("GET", "/content"), ("GET", "/signed-url"), ("DELETE", "")):
        check_problem(http.request(method, f"{PATH}/{stored['id']}{suffix}"), 404, "FILE_NOT_FOUND")
    check_problem(http.get(f"{PATH}/no-uuid"), 404, "FILE_NOT_FOUND")


def test_the_same_key_and_the_same_request(http: httpx.Client, user: str, origin: Origin) -> None:
    key = {"Idempotency-Key": "import-1"}
    body = {"url": origin.script(user, answer(samples.png())), "type": KINDS[0], "settings": {"a": 1}}
    first = http.post(PATH, json=body, headers=key)
    again = http.post(PATH, json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert without_urls(first.json()) == without_urls(again.json())
    check_problem(http.post(PATH, json={**body, "prompt": "x"}, headers=key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert http.get(PATH).json()["total"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://example.com/"}, "type"),
        ({"url": "http://example.com/", "type": "painting"}, "type"),
        ({"url": 7, "type": KINDS[0]}, "url"),
        ({"url": "http://example.com/", "type": KINDS[0], "prompt": "x" * 40_000}, "prompt"),
    ],
)
def test_bad_json_fields_are_named(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    problem = check_problem(http.post(PATH, json=body), 422, "INVALID_FIELD")
    assert field in [error["field"] for error in problem["errors"]]


def test_bodies_that_are_no_json(http: httpx.Client) -> None:
    kind = {"content-type": "application/json"}
    check_problem(http.post(PATH, content=b"{", headers=kind), 400, "MALFORMED_REQUEST")
    check_problem(
        http.post(PATH, content=b"{}", headers={"content-type": "text/plain"}), 415, "UNSUPPORTED_MEDIA_TYPE"
    )
    check_problem(http.post(PATH, content=b" " * (1 << 20) + b"{}", headers=kind), 413, "SIZE_LIMIT_EXCEEDED")


def test_forms_that_lack_something(http: httpx.Client) -> None:
    for data in ({}, {"type": "painting"}, {"type": KINDS[0], "settings": "{"}):
        check_problem(http.post(f"{PATH}/upload", data=data, files=upload()), 422, "INVALID_FIELD")
    reply = http.post(
        f"{PATH}/upload", data={"type": KINDS[0]}, files=upload(b"just text", "a.txt", "text/plain")
    )
    assert "image/*" in check_problem(reply, 422, "CONTENT_TYPE_NOT_ALLOWED")["detail"]
    reply = http.post(f"{PATH}/upload", data={"type": KINDS[0]}, files=upload(samples.PDF))
    check_problem(reply, 422, "CONTENT_TYPE_MISMATCH")


def test_a_source_that_fails(http: httpx.Client, origin: Origin) -> None:
    body = {"url": f"http://{origin.authority}/missing", "type": KINDS[0]}
    problem = check_problem(http.post(PATH, json=body), 502, "SOURCE_URL_FAILED")
    assert problem["metadata"]["status"] == "404"
