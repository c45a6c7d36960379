"""A saved project in an ``<iframe>`` in headless Chromium: everything loads, nothing gets out."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any, Final

import httpx

from tests.e2e import samples
from tests.e2e.chromium import open_page
from tests.e2e.pages import Pages
from tests.stack import RunningStack, until

_OUTSIDE: Final = """<!doctype html><title>waiting</title><script>
addEventListener("message", event => window.told = JSON.stringify(event.data));
</script><iframe src="%s"></iframe>"""
_INSIDE: Final = """<!doctype html><link rel="stylesheet" href="css/a.css"><h1>Hello</h1>
<img src="img/cat.png"><script src="js/plain.js"></script>
<script type="module" src="./js/module.js"></script>"""
_MODULE: Final = """import {answer} from "./deep/other.js";
const refused = async what => { try { await what(); return "no"; } catch (error) { return error.name; } };
addEventListener("load", async () => parent.postMessage({
  color: getComputedStyle(document.querySelector("h1")).color,
  width: document.querySelector("img").naturalWidth,
  plain: window.plain,
  answer,
  origin: self.origin,
  cookie: await refused(() => document.cookie),
  storage: await refused(() => localStorage.length),
  around: await refused(() => parent.document.title),
  fetch: await refused(() => fetch("../../../healthz")),
}, "*"));"""
FILES: Final = {
    "index.html": _INSIDE,
    "css/a.css": "h1 {color: rgb(1, 2, 3)}",
    "js/plain.js": "window.plain = 'ran'",
    "js/module.js": _MODULE,
    "js/deep/other.js": "export const answer = 42",
}


def test_a_project_in_an_iframe(http: httpx.Client, pages: Pages, tmp_path: Path) -> None:
    slug = f"p-{uuid.uuid4().hex}"
    tree: list[dict[str, str]] = [{"path": path, "content": content} for path, content in FILES.items()]
    picture = base64.b64encode(samples.png()).decode()
    tree.append({"path": "img/cat.png", "content": picture, "encoding": "base64"})
    assert http.post("/api/projects/save", json={"name": "x", "slug": slug, "files": tree}).status_code == 200
    (listed,) = http.get("/api/projects").json()["projects"]
    name = f"{slug}.html"
    (pages.folder / name).write_text(_OUTSIDE % listed["preview_url"])

    with open_page(f"{pages.origin}/{name}") as page:
        told: dict[str, Any] = json.loads(until("the frame has told", lambda: page.value("window.told")))
    assert told == {
        "color": "rgb(1, 2, 3)",
        "width": 8,
        "plain": "ran",
        "answer": 42,
        "origin": "null",
        "cookie": "SecurityError",
        "storage": "SecurityError",
        "around": "SecurityError",
        "fetch": "TypeError",
    }


_LEAKING: Final = """<!doctype html><script>
addEventListener("load", () => parent.postMessage({
  href: location.href, referrer: document.referrer, name: performance.getEntriesByType("navigation")[0].name,
}, "*"));</script>"""


def test_a_page_never_sees_the_url_that_holds_for_hours(
    http: httpx.Client, pages: Pages, tmp_path: Path
) -> None:
    slug = f"p-{uuid.uuid4().hex}"
    tree = {"name": "x", "slug": slug, "files": [{"path": "index.html", "content": _LEAKING}]}
    assert http.post("/api/projects/save", json=tree).status_code == 200
    url = http.get(f"/api/projects/{slug}/preview-url", params={"expires_in": 80_000}).json()["preview_url"]
    name = f"{slug}.html"
    (pages.folder / name).write_text(_OUTSIDE % url)
    with open_page(f"{pages.origin}/{name}") as page:
        told: dict[str, Any] = json.loads(until("the frame has told", lambda: page.value("window.told")))
    long_token = url.split("/api/preview/")[1].strip("/")
    assert "/api/preview/" in told["href"]
    assert not [text for text in told.values() if long_token in text]


_READY: Final = "document.readyState === 'complete' && location.pathname === '/docs'"
_REGISTER: Final = """navigator.serviceWorker.register(%r).then(
  () => window.told = "installed", error => window.told = error.name); 1"""


def test_a_stored_script_becomes_no_service_worker(
    stack: RunningStack, http: httpx.Client, tmp_path: Path
) -> None:
    slug = f"p-{uuid.uuid4().hex}"
    files = [{"path": "index.html", "content": "x"}, {"path": "sw.js", "content": "self.onfetch = () => 1"}]
    assert (
        http.post("/api/projects/save", json={"name": "x", "slug": slug, "files": files}).status_code == 200
    )
    url = http.get(f"/api/projects/{slug}/preview-url").json()["preview_url"]
    with open_page(f"{stack.url}/docs") as page:
        until("the page is there", lambda: page.value(_READY))
        page.value(_REGISTER % f"{url}sw.js")
        assert until("the browser has answered", lambda: page.value("window.told")) != "installed"
