"""Sources that lie, stall, break or redirect: only complete files are stored."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
from functools import partial
from typing import Any

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.shapes import check_problem
from tests.faults.checker import Checker
from tests.integration.importing.conftest import IDLE_SECONDS, LIMIT, TOTAL_SECONDS
from tests.integration.importing.hostile import CHUNKED, endless
from tests.integration.importing.origin import (
    Origin,
    Reply,
    answer,
    chunked,
    drip,
    redirect,
    reset_after,
    silence,
)
from tests.stack import RunningStack, until

PATH = "/api/generations"
BODY = samples.png() + random.Random(1).randbytes(100_000)
EXACT = samples.png() + bytes(LIMIT - len(samples.png()))


def pull(http: httpx.Client, url: str, **headers: str) -> httpx.Response:
    """Import ``url``."""
    return http.post(PATH, json={"url": url, "type": "text-to-image"}, headers=headers)


def stored(http: httpx.Client, reply: httpx.Response) -> bytes:
    """The bytes that an import stored."""
    assert reply.status_code == 201, reply.text
    made = reply.json()["generation"]
    content = http.get(f"{PATH}/{made['id']}/content").content
    assert made["file_size"] == len(content)
    return content


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (answer(BODY), BODY),
        (answer(BODY, length=None), BODY),
        (answer(BODY, kind="application/octet-stream"), BODY),
        (answer(BODY, kind="image/jpeg; charset=x"), BODY),
        (answer(BODY + b"more", length=len(BODY)), BODY),
        (chunked(BODY), BODY),
        (answer(EXACT), EXACT),
        (chunked(EXACT), EXACT),
        (answer(samples.png()), samples.png()),
        (drip(BODY, 20_000, 0.2), BODY),
    ],
    ids=["length", "until close", "no type", "wrong type", "more than it says", "chunked", "limit",
         "limit chunked", "small", "slowly"],
)  # fmt: skip
def test_what_arrives_is_what_was_sent(
    http: httpx.Client, import_origin: Origin, name: str, reply: Reply, body: bytes
) -> None:
    assert stored(http, pull(http, import_origin.script(name, reply))) == body
    assert len(import_origin.requests(name)) == 1


@pytest.mark.parametrize(
    "failures",
    [
        [answer(b"", status=503), answer(b"", status=503)],
        [answer(b"", status=500), answer(b"", status=429)],
        [reset_after(BODY, 50_000), reset_after(BODY, 3)],
        [answer(BODY[:50_000], length=len(BODY))],
        [chunked(BODY, whole=False)],
        [silence(3)],
        [drip(BODY, 10, 3)],
    ],
    ids=["503 twice", "500, 429", "reset twice", "short", "short chunked", "silence", "stalls"],
)
def test_what_passes_is_tried_again(
    http: httpx.Client, import_origin: Origin, name: str, failures: list[Reply]
) -> None:
    url = import_origin.script(name, *failures, answer(BODY))
    assert stored(http, pull(http, url)) == BODY
    assert len(import_origin.requests(name)) == len(failures) + 1


@pytest.mark.parametrize(
    ("reply", "status", "code", "tries"),
    [
        (answer(b"", status=404), 502, "SOURCE_URL_FAILED", 1),
        (answer(b"", status=403), 502, "SOURCE_URL_FAILED", 1),
        (answer(b"", status=204), 502, "SOURCE_URL_FAILED", 1),
        (answer(BODY, status=206), 502, "SOURCE_URL_FAILED", 1),
        (answer(b"", status=304), 502, "SOURCE_URL_FAILED", 1),
        (answer(b"", status=503), 502, "SOURCE_URL_FAILED", 3),
        (reset_after(BODY, 50_000), 502, "SOURCE_URL_FAILED", 3),
        (answer(BODY, length=len(BODY) + 1), 502, "SOURCE_URL_FAILED", 3),
        (chunked(BODY, whole=False), 502, "SOURCE_URL_FAILED", 3),
        (answer(gzip.compress(BODY), content_encoding="gzip"), 502, "SOURCE_URL_FAILED", 1),
        (answer(EXACT + b"x"), 413, "SIZE_LIMIT_EXCEEDED", 1),
        (answer(EXACT + b"x", length=None), 413, "SIZE_LIMIT_EXCEEDED", 1),
        (chunked(EXACT + b"x"), 413, "SIZE_LIMIT_EXCEEDED", 1),
        (answer(b"x", length=1 << 60), 413, "SIZE_LIMIT_EXCEEDED", 1),
        (answer(b"<html>", kind="text/html"), 422, "CONTENT_TYPE_NOT_ALLOWED", 1),
        (answer(samples.PDF), 422, "CONTENT_TYPE_NOT_ALLOWED", 1),
        (answer(b""), 422, "CONTENT_TYPE_NOT_ALLOWED", 1),
        (drip(BODY, 100, 0.4), 504, "DEADLINE_EXCEEDED", 1),
        (lambda connection: connection.sendall(b"nonsense\r\n\r\n"), 502, "SOURCE_URL_FAILED", 3),
        (redirect("http://10.0.0.1/"), 422, "SOURCE_URL_REFUSED", 1),
        (redirect("http://localhost/"), 422, "SOURCE_URL_REFUSED", 1),
        (redirect("//169.254.169.254/latest/"), 422, "SOURCE_URL_REFUSED", 1),
        (redirect("file:///etc/passwd"), 422, "SOURCE_URL_REFUSED", 1),
        (redirect("http://user@example.com/"), 422, "SOURCE_URL_REFUSED", 1),
        (redirect("?again"), 422, "SOURCE_URL_REFUSED", 4),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 502, "SOURCE_URL_FAILED", 1),
        (endless(CHUNKED, b"1\r\nx\r\n"), 502, "SOURCE_URL_FAILED", 1),
    ],
    ids=["404", "403", "204", "206", "304", "503", "reset", "short", "short chunked", "gzip",
         "too large", "too large until close", "too large chunked", "says too large", "html",
         "pdf", "empty", "drip", "nonsense",
         "to private", "to loopback", "to metadata", "to file", "to credentials", "loop",
         "endless interim", "1-byte chunks"],
)  # fmt: skip
def test_refusals_store_nothing(  # noqa: PLR0917 - the case's columns
    http: httpx.Client, import_origin: Origin, name: str, reply: Reply, status: int, code: str, tries: int
) -> None:
    problem = check_problem(pull(http, import_origin.script(name, reply)), status, code)
    assert len(import_origin.requests(name)) == tries
    assert http.get(PATH).json()["total"] == 0
    _names_the_rule(problem)


def _names_the_rule(problem: dict[str, Any]) -> None:
    """Check that a refusal names the limit or the list."""
    if problem["code"] == "SIZE_LIMIT_EXCEEDED":
        assert problem["metadata"]["limit"] == str(LIMIT)
    if problem["code"] == "CONTENT_TYPE_NOT_ALLOWED":
        assert problem["metadata"]["allowed"] == "image/*,video/*"
    if problem["code"] == "DEADLINE_EXCEEDED":
        assert f"{TOTAL_SECONDS:g} s" in problem["detail"]


def test_an_origin_that_is_not_there(http: httpx.Client, import_origin: Origin) -> None:
    check_problem(pull(http, "http://nowhere.invalid/a.png"), 502, "SOURCE_URL_FAILED")
    check_problem(pull(http, "http://127.0.0.1:8080/"), 422, "SOURCE_URL_REFUSED")
    check_problem(pull(http, import_origin.script("x", answer(BODY)).replace("127.0.0.1", "localhost")), 422,
                  "SOURCE_URL_REFUSED")  # fmt: skip


def test_three_redirects_and_no_more(http: httpx.Client, import_origin: Origin, name: str) -> None:
    end = import_origin.script(f"{name}-0", answer(BODY))
    third = import_origin.script(f"{name}-1", redirect(end, 301))
    second = import_origin.script(f"{name}-2", redirect(f"/{name}-1", 307))
    first = import_origin.script(f"{name}-3", redirect(second, 308))
    assert third.endswith("-1")
    assert stored(http, pull(http, first)) == BODY
    check_problem(pull(http, import_origin.script(name, redirect(first))), 422, "SOURCE_URL_REFUSED")


def test_what_the_source_is_asked(http: httpx.Client, import_origin: Origin, name: str) -> None:
    url = import_origin.script(name, answer(BODY, set_cookie="a=b"))
    for _ in range(2):
        assert pull(http, f"{url}?a=%20b#part", authorization="").status_code in (201, 401)
    assert pull(http, f"{url}?a=%20b#part").status_code == 201
    head = import_origin.requests(name)[-1].lower()
    assert head.startswith(f"get /{name}?a=%20b http/1.1\r\n")
    assert f"host: {import_origin.authority}\r\n" in head
    assert "accept-encoding: identity" in head
    assert "cookie" not in head
    assert "authorization" not in head


def test_a_batch_of_everything(http: httpx.Client, import_origin: Origin, name: str) -> None:
    scripts: list[tuple[Reply, str]] = [
        (answer(BODY), ""),
        (answer(b"", status=404), "SOURCE_URL_FAILED"),
        (drip(BODY, 50_000, 0.3), ""),
        (answer(EXACT + b"x"), "SIZE_LIMIT_EXCEEDED"),
        (redirect("http://10.0.0.1/"), "SOURCE_URL_REFUSED"),
        (answer(samples.PDF), "CONTENT_TYPE_NOT_ALLOWED"),
        (chunked(BODY), ""),
        (redirect("data:image/png;base64,AAAA"), "SOURCE_URL_REFUSED"),
        (redirect("file:etc/passwd"), "SOURCE_URL_REFUSED"),
        (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "SOURCE_URL_FAILED"),
    ]
    items = [
        {"url": import_origin.script(f"{name}-{n}", reply), "type": "text-to-image", "prompt": str(n)}
        for n, (reply, _) in enumerate(scripts)
    ]
    key = {"Idempotency-Key": name}
    results = http.post(f"{PATH}/batch", json={"items": items}, headers=key).json()["results"]
    assert [one.get("code", "") for one in results] == [code for _, code in scripts]
    made = {one["generation"]["prompt"]: one["generation"]["id"] for one in results if one["success"]}
    assert list(made) == ["0", "2", "6"]
    again = http.post(f"{PATH}/batch", json={"items": items}, headers=key).json()["results"]
    assert {one["generation"]["prompt"]: one["generation"]["id"] for one in again if one["success"]} == made
    assert http.get(PATH).json()["total"] == 3


async def test_silent_sources_of_three_users_delay_no_fourth(
    importing_stack: RunningStack, http: httpx.Client, import_origin: Origin, name: str
) -> None:
    """Judged by order, not by time: the fourth finishes while the batches of the others still run."""
    silent = import_origin.script(f"{name}-silent", silence(IDLE_SECONDS * 2))
    good = import_origin.script(name, answer(BODY))
    batch = {"items": [{"url": silent, "type": "text-to-image"}] * 50}
    async with contextlib.AsyncExitStack() as stack:
        hoarders = []
        for number in range(3):
            token = {"Authorization": f"Bearer {importing_stack.token(f'{name}-{number}')}"}
            client = await stack.enter_async_context(httpx.AsyncClient(headers=token, timeout=60))
            hoarders.append(
                asyncio.create_task(client.post(f"{importing_stack.url}{PATH}/batch", json=batch))
            )
        asked = partial(import_origin.requests, f"{name}-silent")
        await asyncio.to_thread(until, "the hoarders' places are taken", lambda: len(asked()) >= 8)
        one = {"items": [{"url": good, "type": "text-to-image"}]}
        done = await asyncio.to_thread(http.post, f"{PATH}/batch", json=one)
        assert not any(hoarder.done() for hoarder in hoarders)
        assert [result["success"] for result in done.json()["results"]] == [True]
        assert pull(http, good).status_code == 201
        assert not any(hoarder.done() for hoarder in hoarders)
        for hoarder in hoarders:
            hoarder.cancel()
        await asyncio.gather(*hoarders, return_exceptions=True)


def test_idempotency(http: httpx.Client, import_origin: Origin, name: str) -> None:
    key = {"Idempotency-Key": "one"}
    url = import_origin.script(name, answer(BODY))
    first, again = pull(http, url, **key), pull(http, url, **key)
    assert first.json()["generation"]["id"] == again.json()["generation"]["id"]
    check_problem(pull(http, f"{url}?other", **key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert http.get(PATH).json()["total"] == 1


def test_a_failed_try_does_not_use_up_the_key(http: httpx.Client, import_origin: Origin, name: str) -> None:
    key = {"Idempotency-Key": "one"}
    url = import_origin.script(name, answer(b"", status=404))
    check_problem(pull(http, url, **key), 502, "SOURCE_URL_FAILED")
    import_origin.script(name, reset_after(BODY, 50_000), answer(BODY))
    assert stored(http, pull(http, url, **key)) == BODY


@pytest.mark.parametrize(
    "later", [answer(b"expired", status=403), answer(samples.png() + b"other")], ids=["ended", "other bytes"]
)
def test_a_repeat_asks_nothing_of_a_source_that_has_told_all(
    http: httpx.Client, import_origin: Origin, name: str, later: Reply
) -> None:
    """Providers' URLs expire within the hour, and may return other bytes each time; the stored answer is
    used.
    """
    url = import_origin.script(name, answer(BODY), later)
    first = pull(http, url, **{"idempotency-key": name})
    again = pull(http, url, **{"idempotency-key": name})
    assert again.status_code == 201, again.text
    assert again.json()["generation"]["id"] == first.json()["generation"]["id"]
    assert len(import_origin.requests(name)) == 1
    other = http.post(PATH, json={"url": url, "type": "text-to-video"}, headers={"idempotency-key": name})
    check_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")


def test_nothing_is_left_after_all_of_this(http: httpx.Client, import_checker: Checker) -> None:
    """Runs last in this file: objects and rows match, and no upload is open."""
    assert http.get(PATH).json()["total"] == 0
    import_checker.wait_drained()
    import_checker.wait_no_open_uploads()
    assert import_checker.problems() == []
