"""A person at the console: sees the screen's words, clicks and types."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from tests.e2e.chromium import Page
from tests.stack import RunningStack, until

#: In each page before its own scripts: records errors, and finds elements like a person.
SECONDS: Final = 60.0
_EYES: Final = (Path(__file__).parent / "eyes.js").read_text("utf-8")


class Person:
    """One tab, signed in as one user at a time."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self.page = page
        self._stack = stack
        page.call("Page.enable")
        page.call("Page.addScriptToEvaluateOnNewDocument", source=_EYES)

    def sign_in(self, user: str, view: str = "", **claims: object) -> None:
        """Sign in with the link that `make up` prints."""
        token = self._stack.token(user, **claims)
        self.open(f"{self._stack.url}/console#token={token}")
        self.wait("the shell is there", "document.querySelector('.shell')")
        if view:
            self.go(view)

    def open(self, url: str) -> None:
        """Open another document, even if its address differs only after the `#`."""
        self.page.call("Page.bringToFront")  # a tab behind another is not drawn
        self.page.call("Page.navigate", url="about:blank")
        self.wait("the page is left", "location.href === 'about:blank'")
        self.page.call("Page.navigate", url=url)
        loaded = "document.readyState === 'complete' && location.href !== 'about:blank'"
        self.wait("the page is loaded", loaded)

    def go(self, view: str) -> None:
        """Go to a view, by its address after the `#`."""
        self.js(f"location.hash = {json.dumps(view)}")

    def js(self, expression: str) -> Any:
        """The value of an expression."""
        return self.page.value(expression)

    def wait(self, what: str, expression: str) -> Any:
        """Wait until an expression is true."""
        told = f"(() => {{ const it = {expression}; return it instanceof Node || it }})()"
        return until(what, lambda: self.js(told), SECONDS)

    def sees(self, text: str, where: str = "body") -> None:
        """Wait until a text is shown."""
        self.wait(f"{text!r} is shown in {where}", f"eyes.shows({json.dumps(text)}, {json.dumps(where)})")

    def sees_not(self, text: str, where: str = "body") -> None:
        """Wait until a text is not shown."""
        self.wait(f"{text!r} is gone from {where}", f"!eyes.shows({json.dumps(text)}, {json.dumps(where)})")

    def click(self, name: str, where: str = "body") -> None:
        """Click a button or link by its name, once it can be used."""
        self.wait(f"{name!r} is clicked", f"eyes.click({json.dumps(name)}, {json.dumps(where)})")

    def fill(self, label: str, value: str) -> None:
        """Fill a field by its label."""
        self.wait(f"{label!r} is filled", f"eyes.fill({json.dumps(label)}, {json.dumps(value)})")

    def press(self, key: str) -> None:
        """Press a key, where the focus is."""
        number = {"Escape": 27}.get(key, 0)
        for kind in ("rawKeyDown", "keyUp"):
            self.page.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number
            )

    def drop(self, *files: tuple[str, str, str]) -> None:
        """Drop files of (name, type, text) onto the page."""
        self.js(f"eyes.drop({json.dumps(files)})")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window's size and the preferred colour scheme."""
        self.page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.page.call("Emulation.setEmulatedMedia", features=[scheme, calm])

    def screenshot(self) -> bytes:
        """A PNG of the screen."""
        return base64.b64decode(self.page.call("Page.captureScreenshot", format="png")["data"])

    def trouble(self) -> list[str]:
        """Errors of scripts and violations of the policy since the page was loaded."""
        found: list[str] = self.js("eyes.trouble") or []
        return found
