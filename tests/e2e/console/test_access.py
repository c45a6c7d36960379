"""The console is accessible to everybody: axe-core on every view, the keyboard, a phone, long lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.console.person import Person
from tests.e2e.console.test_gallery import store
from tests.e2e.console.test_keeping import save
from tests.e2e.node_modules import install
from tests.stack import RunningStack

VIEWS: Final = (
    "/files", "/files?q=nothing-has-this", "/folder/", "/projects", "/projects/site",
    "/projects/site?path=a.txt", "/projects/site?version=2&against=1&path=a.txt", "/shares", "/trash",
    "/activity", "/costs", "/health", "/verification", "/quotas", "/nowhere",
)  # fmt: skip
_RUN: Final = """axe.run(document, {resultTypes: ['violations']}).then(told => JSON.stringify(told.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 160)).join(' | '))))"""
_OPENED: Final = "document.querySelector('main h1, main h2') && !document.querySelector('.spinner')"

#: Scrolls on with each frame, as a held-down key does.
_TO_THE_END: Final = """(function on() {
  document.querySelector('.view').scrollTop = 1e9
  if (!document.querySelector('li[data-index="9999"]')) requestAnimationFrame(on)
})()"""


def visit(person: Person, view: str) -> None:
    """Open a view, and wait for its content."""
    person.go(view)
    person.wait(f"{view} is there", f"location.hash === '#{view}' && {_OPENED}")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    folder = install(Path(__file__).parent / "axe", tmp_path_factory.mktemp("axe"))
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def look(person: Person, axe: str) -> list[str]:
    """Axe's serious and critical findings on the current page."""
    person.js(f"window.axe || (() => {{ {axe} }})(); 0")
    answer = person.page.call("Runtime.evaluate", expression=_RUN, awaitPromise=True, returnByValue=True)
    found: list[str] = json.loads(answer["result"]["value"])
    return found


def fill(http: httpx.Client) -> None:
    """Create something for each view."""
    store(http, "cat.png", samples.png(), "image/png")
    store(http, "notes.md", b"# Notes\n", "text/markdown")
    store(http, "song.wav", samples.wav(0.1), "audio/wav")
    save(http, {"a.txt": "a\n", "src/b.txt": "b\n"})
    save(http, {"a.txt": "c\n", "src/b.txt": "b\n"})
    assert http.post("/api/v1/shares", json={"prefix": "uploads/", "title": "All"}).status_code == 201
    key = store(http, "old.txt", b"x", "text/plain")
    assert http.delete(f"/api/v1/s3/file/{key}", params={"soft": "true"}).status_code == 200


def test_axe_finds_nothing_serious(
    person: Person, user: str, http: httpx.Client, axe: str, stack: RunningStack
) -> None:
    fill(http)
    person.open(f"{stack.url}/console")
    person.js("sessionStorage.clear()")  # another user used the tab before
    person.open(f"{stack.url}/console")
    person.sees("Access token")
    assert look(person, axe) == []
    found: dict[str, list[str]] = {}
    for dark in (False, True):
        person.size(1280, 800, dark=dark)
        person.sign_in(user, roles=["admin"])
        for view in VIEWS:
            visit(person, view)
            if bad := look(person, axe):
                found[f"{view}, {'dark' if dark else 'light'}"] = bad
    assert found == {}


@pytest.mark.parametrize("name", ["cat.png", "notes.md", "song.wav"])
def test_axe_on_details_and_dialogs(
    person: Person, user: str, http: httpx.Client, axe: str, name: str
) -> None:
    fill(http)
    person.sign_in(user)
    person.click(name, "main")
    person.sees("History", ".details")
    assert look(person, axe) == []
    for action in ("Edit", "Keep", "Share", "Revoke all links"):
        person.click(action, ".details")
        person.wait(f"{action} asks", "document.querySelector('dialog[open]')")
        assert look(person, axe) == [], action
        person.click("Cancel")
    person.click("Upload", "header")
    assert look(person, axe) == []


def test_the_keyboard_is_enough(person: Person, user: str, http: httpx.Client) -> None:
    for number in range(9):
        store(http, f"{number}.txt", b"x", "text/plain")
    person.sign_in(user)
    person.sees("0.txt", "main")
    person.js("document.querySelector('.tile-button').focus()")
    focused = "document.activeElement.closest('li')?.dataset.index"
    for key, index in (("ArrowRight", "1"), ("ArrowLeft", "0"), ("End", "8"), ("Home", "0")):
        person.press(key)
        person.wait(f"{key} leads to {index}", f"{focused} === '{index}'")
    person.js("document.activeElement.click()")
    person.sees("8.txt", ".details h2")
    person.wait("the heading has the focus", "document.activeElement.matches('.details h2')")
    person.press("Escape")
    person.wait("the focus is where it was", f"{focused} === '0'")
    person.click("Upload", "header")
    person.wait("the dialog has the focus", "document.querySelector('dialog')?.matches(':focus-within')")
    person.press("Escape")
    person.wait("it is closed", "!document.querySelector('dialog')")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_cut_off(person: Person, user: str, http: httpx.Client, width: int) -> None:
    fill(http)
    person.size(width, 800)
    person.sign_in(user, roles=["admin"])
    for view in VIEWS:
        visit(person, view)
        assert person.js("document.documentElement.scrollWidth <= innerWidth"), view
        over = "(one => one.scrollWidth > one.clientWidth + 1)(document.querySelector('.view, .mood'))"
        assert not person.js(over), view
    person.click("Menu", "header")
    person.click("Trash", "nav")
    person.sees("old.txt", "main")


def test_a_menu_that_is_opened_at_once_stays_open(person: Person, user: str) -> None:
    """Opening another view closes it as soon as that one appears, and not at a later time."""
    person.size(390, 800)
    person.sign_in(user)
    person.sees("Nothing here yet")
    at_once = """new Promise(opened => {
      new MutationObserver((_, watch) => {
        watch.disconnect()
        document.querySelector('.menu-button').click()
        opened()
      }).observe(document.querySelector('main'), {childList: true, subtree: true})
      location.hash = '/trash'
    })"""
    person.page.call("Runtime.evaluate", expression=at_once, awaitPromise=True)
    person.click("Activity", "nav")
    person.wait("the view is left", "location.hash === '#/activity'")


def test_ten_thousand_files_scroll(
    person: Person, user: str, http: httpx.Client, stack: RunningStack
) -> None:
    """Pages are loaded when scrolled to; invisible rows are not in the document."""
    store(http, "one.txt", b"x", "text/plain")
    (one,) = http.get("/api/v1/files").json()["files"]
    many = (Path(__file__).parent / "many.js").read_text("utf-8").replace("ONE", json.dumps(one))
    person.open(f"{stack.url}/console")
    person.js("localStorage.many = '1'")
    person.page.call("Page.addScriptToEvaluateOnNewDocument", source=many)
    person.sign_in(user)
    person.sees("file 0", "main")
    person.click("As a list")
    person.js(_TO_THE_END)
    person.wait("the last one is reached", "document.querySelector('li[data-index=\"9999\"]')")
    person.sees("file 9999", "main")
    assert person.js("document.querySelectorAll('.windowed li').length") < 60
    person.js("document.querySelector('.view').scrollTop = 0")
    person.sees("file 0", "main")
    person.click("As pictures")
    person.js("localStorage.removeItem('many')")
