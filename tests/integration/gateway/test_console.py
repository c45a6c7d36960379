"""The console's page and files, requested as a browser does."""

from __future__ import annotations

import re

import pytest

from gateway.families.console.static_files import FOLDER, bundle
from tests.integration.gateway.harness import Running, run_gateway

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/console/"])
async def test_browsers_are_sent_to_the_page(gateway: Running, path: str) -> None:
    answer = await gateway.client.get(path, headers=HTML)
    assert answer.status_code == 302
    assert answer.next_request is not None
    assert answer.next_request.url.path == "/console"


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
async def test_programs_find_nothing_at_the_root(gateway: Running, accept: str) -> None:
    answer = await gateway.client.get("/", headers={"accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_the_page_lets_nothing_in(gateway: Running) -> None:
    gateway.client.headers.pop("authorization")
    answer = await gateway.client.get("/console", headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    for refused in ("unsafe", "http:", "https:", "*"):
        assert refused not in policy
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert not re.search(r"\son\w+=|<script>|<style|style=|https?://", answer.text)
    for named in re.findall(r'(?:href|src)="([^"]+)"', answer.text):
        assert (await gateway.client.get(f"/{named}")).status_code == 200, named


async def test_the_page_lets_the_store_in_where_links_lead_there() -> None:
    async with run_gateway(link_mode="redirect") as gateway:
        policy = (await gateway.client.get("/console")).headers["content-security-policy"]
    assert "img-src 'self' blob: data: https: http:" in policy
    assert "script-src 'self';" in policy


async def test_files_are_kept_for_ever_under_their_hash(gateway: Running) -> None:
    found = bundle()
    for name, file in found.files.items():
        answer = await gateway.client.get(f"/console/{found.version}/{name}")
        assert answer.content == file.body, name
        assert answer.headers["content-type"] == file.content_type
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    old = await gateway.client.get("/console/0123456789abcdef/main.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")


async def test_the_page_is_asked_for_again(gateway: Running) -> None:
    first = await gateway.client.get("/console")
    assert first.headers["cache-control"] == "no-cache"
    again = await gateway.client.get("/console", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["", "index.html", "vendor/LICENSES.txt", "../routes.py", "..%2Froutes.py", "%2Fetc/passwd", "main.js/x"],
)
async def test_nothing_else_is_served(gateway: Running, name: str) -> None:
    assert (await gateway.client.get(f"/console/{bundle().version}/{name}")).status_code == 404


async def test_it_can_be_left_out() -> None:
    async with run_gateway(console="off") as gateway:
        for path in ("/", "/console", "/console/", f"/console/{bundle().version}/main.js"):
            assert (await gateway.client.get(path, headers=HTML)).status_code == 404, path


def test_modules_name_only_what_is_there() -> None:
    named = re.compile(r"""(?:from|import)\s*['"]([^'"]+)['"]""")
    comment = re.compile(r"/\*.*?\*/", re.DOTALL)  # only the type check reads its types
    for path in FOLDER.rglob("*.js"):
        for name in named.findall(comment.sub("", path.read_text("utf-8"))):
            assert name.startswith("."), f"{path.name}: {name}"
            assert (path.parent / name).resolve().is_file(), f"{path.name}: {name}"


def test_nothing_is_made_of_strings() -> None:
    written = [path for path in FOLDER.rglob("*.js") if path.parent.name != "vendor"]
    assert len(written) > 20
    for path in written:
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function|document\.write", path.read_text()
        )
        assert found is None, path
