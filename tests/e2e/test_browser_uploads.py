"""Uploads from a web page of another origin, reloaded in the middle: tus-js-client and Uppy in Chromium.

Pinned by tests/e2e/browser_js/package-lock.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.e2e.chromium import Page, open_page
from tests.e2e.node_modules import install
from tests.e2e.pages import Pages
from tests.stack import RunningStack, until

SCRIPTS = Path(__file__).parent / "browser_js"
MIB = 1024 * 1024
SIZE = 40 * MIB + 17
RATE = 8 * MIB
"""Bytes per second before the reload, so that it interrupts a request."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts with their modules installed, outside of the checkout."""
    return install(SCRIPTS, tmp_path_factory.mktemp("browser"))


@pytest.fixture
def page_url(modules: Path, pages: Pages, stack: RunningStack, user: str, client: str) -> str:
    """A page with the bundled client."""
    folder = pages.folder / client
    folder.mkdir()
    shutil.copy(SCRIPTS / "page.html", folder)
    bundle = ["node_modules/.bin/esbuild", f"{client}.js", "--bundle", f"--outfile={folder}/client.js"]
    subprocess.run(bundle, cwd=modules, check=True, capture_output=True, timeout=120)
    options = {"endpoint": f"{stack.url}/files", "token": stack.token(user)}
    return f"{pages.origin}/{client}/page.html#{quote(json.dumps(options))}"


@pytest.mark.parametrize("client", ["tus", "uppy"])
def test_goes_on_after_a_reload(page_url: str, http: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "film.bin"
    file.write_bytes(os.urandom(SIZE))
    with open_page(page_url) as page:
        _wait_loaded(page)
        page.upload_rate(RATE)
        page.choose_file("input", file)
        (begun,) = until("the upload has an address", lambda: _asked(page, "known()"))
        kept = until("a part is persisted", lambda: _received(http, begun))
        assert page.value("seen.url") is None, "it was over before the reload"
        page.value("window.stale = true")
        page.call("Page.reload")
        _wait_loaded(page)
        page.upload_rate(-1)
        assert page.value("known()") == [begun]
        page.choose_file("input", file)
        ended = until("the upload ends", lambda: _asked(page, "seen.url"))
        assert ended == begun
        assert page.value("seen.progress")[0] >= kept, "bytes that are there are not sent again"
    (stored,) = http.get("/api/v1/s3/files").json()["files"]
    content = http.get(f"/api/v1/s3/file/{stored['key']}").content
    assert hashlib.sha256(content).digest() == hashlib.sha256(file.read_bytes()).digest()


def _wait_loaded(page: Page) -> None:
    until("the page is loaded", lambda: page.value("window.ready && !window.stale"))


def _asked(page: Page, expression: str) -> Any:
    """A value of the page; fails with the client's error, if there was one."""
    error = page.value("seen.error")
    assert error is None, error
    return page.value(expression)


def _received(http: httpx.Client, url: str) -> int:
    """Persisted bytes, asked without ending the writer (HEAD would end it)."""
    answer = http.get("/api/v1/uploads/" + urlsplit(url).path.rpartition("/")[2]).json()
    return int(answer["received"])
