"""Headless Chromium, steered over the DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.stack import until

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
    "--no-first-run", "--disable-background-networking", "--no-proxy-server", "--remote-debugging-port=0",
)  # fmt: skip


#: What the protocol answers while one page goes and the next comes.
BETWEEN_PAGES: Final = ("Cannot find default execution context", "Inspected target navigated or closed")


class Page:
    """The one tab of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; events are passed over."""
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
        """What a JavaScript expression yields; None while it can't be evaluated (the page is loading)."""
        answer = self._answer("Runtime.evaluate", expression=expression, returnByValue=True)
        if answer.get("error", {}).get("message") in BETWEEN_PAGES:
            return None
        found = self._result(answer)
        return None if "exceptionDetails" in found else found["result"].get("value")

    def choose_file(self, selector: str, file: Path) -> None:
        """As a user who picks ``file`` in an <input type=file>."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def upload_rate(self, rate: float) -> None:
        """Bytes per second that the page may send; -1: no limit."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=False, latency=0, downloadThroughput=-1, uploadThroughput=rate,
        )  # fmt: skip


class Browser:
    """A running browser; each tab is a window of its own, with a session storage of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def first(self) -> str:
        """Where the tab that it began with is steered; empty: not yet."""
        with httpx.Client(trust_env=False, verify=False) as client:
            pages = client.get(f"http://127.0.0.1:{self._port}/json/list").json()
        return next((str(page["webSocketDebuggerUrl"]) for page in pages if page["type"] == "page"), "")

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """A new tab."""
        with httpx.Client(trust_env=False, verify=False) as client:
            made = client.put(f"http://127.0.0.1:{self._port}/json/new?about:blank").json()
        with connect(made["webSocketDebuggerUrl"], proxy=None, max_size=None) as connection:
            yield Page(connection)


@contextmanager
def open_page(url: str, profile: Path) -> Iterator[Page]:
    """A browser of its own that shows ``url``; closed at the end."""
    with open_browser(url, profile) as browser:
        address = until("the page is open", browser.first)
        with connect(address, proxy=None, max_size=None) as connection:
            yield Page(connection)


@contextmanager
def open_browser(url: str, profile: Path) -> Iterator[Browser]:
    """A browser of its own, with one tab that shows ``url``; closed at the end."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs Chromium: apt-get install chromium"
    arguments = [chromium, *_ARGUMENTS, f"--user-data-dir={profile}", url]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port_file = profile / "DevToolsActivePort"
            until("Chromium listens", lambda: port_file.exists() and port_file.read_text().count("\n"))
            yield Browser(int(port_file.read_text().split()[0]))
        finally:
            browser.kill()
