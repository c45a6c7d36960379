"""Cache headers of each GET route, as in docs/rest.md; 304, HEAD and compression of each."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Final

import httpx
import pytest

from gateway.http.coding import MIN_BYTES
from gateway.surface import all_operations
from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Login
from tests.e2e.operations import WAYS

_REST: Final = Path("docs/rest.md").read_text()
_SECTION: Final = _REST.partition("\n### Caching\n")[2].partition("\n### ")[0].partition("| lists |")[2]
#: Routes of the second table.
LISTS: Final = {path for _, path in re.findall(r"`(GET )?(/api/[^`]*)`", _SECTION)}
BYTES: Final = ("/content", "/download", "/stream", "/profile-picture", "/file/{key:path}", "/{path:path}")
#: Routes that return a credential, short or long.
SECRETS: Final = ("/url", "/signed-url", "/preview-url", "/uploads/{id}")
#: Our own pages and scripts, with their headers.
OURS: Final = {
    "/docs/{name}": "public, max-age=86400",
    "/console": "no-cache",
    "/console/{version}/{name:path}": "no-cache",  # of another release
}
NEVER_ALIKE: Final = frozenset({"date", "x-request-id", "transfer-encoding"})
#: Links are rounded in time, and facts of pictures follow a moment later: then the answer is another one.
TRIES: Final = 20
ROUTES: Final = sorted(
    one.path for one in all_operations() if one.method == "GET" and not WAYS[f"GET {one.path}"].stream
)


@pytest.fixture(scope="module")
def owner(login: Login) -> Belongings:
    """A user who may request everything, with lists long enough to be compressed."""
    made = Belongings("owner", login(f"owner-{uuid.uuid4()}", roles=["admin"]))
    assert made.secrets()
    long = {"type": "text-to-image", "prompt": "a cat " * 400}
    assert made.http.post("/api/generations/upload", data=long, files={"file": b"GIF89a"}).status_code < 500
    return made


def kept(path: str) -> str:
    """The Cache-Control of a successful answer."""
    if path in OURS:
        return OURS[path]
    shown = path.replace(":path", "")
    is_preview = path.startswith("/api/sandbox-preview/")
    return "private, no-cache" if shown in LISTS or path.endswith(BYTES) or is_preview else "no-store"


def ask(owner: Belongings, path: str, method: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as transferred."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with owner.http.stream(method, WAYS[f"GET {path}"].path(owner), headers=named) as reply:
        return reply, b"".join(reply.iter_raw())


def vary(reply: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in reply.headers.get("vary", "").split(",")}


def test_the_table_names_routes() -> None:
    assert len(LISTS) > 10
    assert {path.replace(":path", "") for path in ROUTES} >= LISTS


@pytest.mark.parametrize("path", ROUTES)
def test_a_route(owner: Belongings, path: str) -> None:
    reply, body = ask(owner, path, "GET", accept_encoding="identity")
    assert reply.headers["cache-control"] == (kept(path) if reply.is_success else "no-store")
    if path != "/metrics":  # it counts its own requests
        reply, body = _as_head_tells(owner, path)
    coded, packed = ask(owner, path, "GET", accept_encoding="gzip")
    is_json = reply.headers.get("content-type", "") == "application/json"
    if coded.headers.get("content-encoding"):
        assert not path.endswith(SECRETS)
        assert len(packed) < len(body)
    elif is_json and not path.endswith(SECRETS):
        assert len(body) < MIN_BYTES
    if is_json and not path.endswith(SECRETS):
        assert vary(reply) == vary(coded) >= {"accept-encoding"}
    if reply.headers["cache-control"] == "private, no-cache":
        assert "authorization" in vary(reply)
        _is_told_once(owner, path, reply)


def _as_head_tells(owner: Belongings, path: str) -> tuple[httpx.Response, bytes]:
    """The GET answer with the same head as HEAD."""
    for _ in range(TRIES):
        reply, body = ask(owner, path, "GET", accept_encoding="identity")
        head, nothing = ask(owner, path, "HEAD", accept_encoding="identity")
        assert (head.status_code, nothing) == (reply.status_code, b"")
        if _told(head) == _told(reply):
            return reply, body
        again, later = ask(owner, path, "GET", accept_encoding="identity")  # a picture's facts may have come
        changed = again.headers.get("etag") != reply.headers.get("etag") or later != body
        assert changed, (head.headers, reply.headers)
    raise AssertionError(f"{path} never stands still")


def _is_told_once(owner: Belongings, path: str, reply: httpx.Response) -> None:
    for _ in range(TRIES):
        tag = reply.headers["etag"]
        same = [ask(owner, path, method, if_none_match=tag) for method in ("GET", "HEAD")]
        if all(one.status_code == 304 for one, _ in same):
            for one, nothing in same:
                assert nothing == b""
                assert (one.headers["etag"], one.headers["cache-control"]) == (tag, "private, no-cache")
                assert vary(one) == vary(reply)
            return
        reply, _ = ask(owner, path, "GET", accept_encoding="identity")
    raise AssertionError(f"no tag of {path} holds")


def _told(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in NEVER_ALIKE}


def test_what_hands_out_credentials_is_not_compressed_however_long_it_is(owner: Belongings) -> None:
    packed = {"accept-encoding": "gzip, zstd"}
    keys = [owner.file["key"], *(f"uploads/{number}-{'x' * 90}" for number in range(20))]
    share = {"event_id": owner.event_id, "title": "t" * 200}
    webhook = {"url": f"https://hooks.example.com/{'x' * 1500}"}
    answers = [
        owner.http.post("/api/v1/links/batch", json={"keys": keys}, headers=packed),
        owner.http.post("/api/v1/shares", json=share, headers=packed),
        owner.http.post("/api/webhooks", json=webhook, headers=packed),
    ]
    guest = owner.http.get(answers[1].json()["url"], headers=packed)
    for reply in (*answers, guest):
        assert reply.is_success, reply.text
        assert "content-encoding" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"
    assert min(len(answers[0].content), len(answers[2].content)) > MIN_BYTES
