"""Headless Chromium, controlled over the DevTools protocol.

``chromium-headless-shell`` is used if it is installed: the same engine without a desktop browser's windows.
Its main process takes half the CPU, and a visitor's page takes 0.18 s instead of 1.0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.stack import until

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
    "--no-first-run", "--disable-background-networking", "--no-proxy-server", "--remote-debugging-port=0",
    # features of a desktop browser that are not needed
    "--disable-software-rasterizer", "--disable-extensions", "--disable-component-update",
    "--disable-default-apps", "--disable-sync", "--disable-breakpad",
    (
        "--disable-features=PreloadTopChromeWebUI,TabSearch,OptimizationHints,MediaRouter,Translate,"
        "SpareRendererForSitePerProcess"
    ),
    "--process-per-site",  # instead of one per page and one to spare: a quarter of the console's tests
)  # fmt: skip
#: By preference. Debian's own launcher of the shell does not pass on signals.
_PROGRAMS: Final = ("/usr/lib/chromium/chromium-headless-shell", "chromium", "google-chrome")


#: Answers of the protocol between two pages.
BETWEEN_PAGES: Final = ("Cannot find default execution context", "Inspected target navigated or closed")


class Page:
    """The only tab of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command; events are ignored."""
        return self._result(self._answer(method, **params))

    def _answer(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        message: dict[str, Any] = {}
        while message.get("id") != self._calls:
            message = json.loads(self._connection.recv(timeout=60))
        return message

    def _result(self, message: dict[str, Any]) -> dict[str, Any]:
        assert "error" not in message, message["error"]
        result: dict[str, Any] = message["result"]
        return result

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression; None while it can't be evaluated (the page is loading)."""
        answer = self._answer("Runtime.evaluate", expression=expression, returnByValue=True)
        if answer.get("error", {}).get("message") in BETWEEN_PAGES:
            return None
        found = self._result(answer)
        return None if "exceptionDetails" in found else found["result"].get("value")

    def choose_file(self, selector: str, file: Path) -> None:
        """Pick ``file`` in an <input type=file>, like a user."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def upload_rate(self, rate: float) -> None:
        """Limit the page's upload rate, in bytes per second; -1: no limit."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=False, latency=0, downloadThroughput=-1, uploadThroughput=rate,
        )  # fmt: skip


class Browser:
    """A running browser; each tab is a separate window with its own session storage."""

    def __init__(self, port: int) -> None:
        self._port = port

    def first(self) -> str:
        """The address that controls its first tab; empty: not known yet."""
        with httpx.Client(trust_env=False, verify=False) as client:
            pages = client.get(f"http://127.0.0.1:{self._port}/json/list").json()
        return next((str(page["webSocketDebuggerUrl"]) for page in pages if page["type"] == "page"), "")

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """A new tab."""
        with httpx.Client(trust_env=False, verify=False) as client:
            made = client.put(f"http://127.0.0.1:{self._port}/json/new?about:blank").json()
        with connect(made["webSocketDebuggerUrl"], proxy=None, max_size=None, compression=None) as connection:
            yield Page(connection)

    @contextmanager
    def visitor(self) -> Iterator[Page]:
        """An empty tab in a separate profile, which is deleted at the end."""
        with httpx.Client(trust_env=False, verify=False) as client:
            about = client.get(f"http://127.0.0.1:{self._port}/json/version").json()
        with connect(about["webSocketDebuggerUrl"], proxy=None, max_size=None, compression=None) as steering:
            browser = Page(steering)
            profile = browser.call("Target.createBrowserContext")["browserContextId"]
            made = browser.call("Target.createTarget", url="about:blank", browserContextId=profile)
            address = f"ws://127.0.0.1:{self._port}/devtools/page/{made['targetId']}"
            with connect(address, proxy=None, max_size=None, compression=None) as connection:
                yield Page(connection)
            browser.call("Target.disposeBrowserContext", browserContextId=profile)


class _Shared:
    """One browser for all pages of a process: to start one costs more than most tests do in it."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._browser: Browser | None = None

    def get(self) -> Browser:
        """The browser, started if necessary."""
        if self._browser is None:
            profile = Path(self._open.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
            self._browser = self._open.enter_context(open_browser("about:blank", profile))
        return self._browser

    def close(self) -> None:
        """End it; the next page starts another."""
        self._browser = None
        self._open.close()


shared: Final = _Shared()


@contextmanager
def open_page(url: str) -> Iterator[Page]:
    """A tab with ``url`` for a new visitor, without the cookies, storage or cache of other pages."""
    with shared.get().visitor() as page:
        page.call("Page.navigate", url=url)
        yield page


@contextmanager
def open_browser(url: str, profile: Path) -> Iterator[Browser]:
    """A separate browser with one tab that shows ``url``; closed at the end."""
    chromium = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    assert chromium, "this test needs Chromium: apt-get install chromium"
    arguments = [chromium, *_ARGUMENTS, f"--user-data-dir={profile}", url]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port_file = profile / "DevToolsActivePort"
            until("Chromium listens", lambda: port_file.exists() and port_file.read_text().count("\n"))
            yield Browser(int(port_file.read_text().split()[0]))
        finally:
            browser.kill()
