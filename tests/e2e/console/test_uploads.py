"""Uploads and the current view survive a new sign-in and a lost connection."""

from __future__ import annotations

from typing import Final

import httpx

from tests.e2e.console.person import Person
from tests.e2e.console.test_gallery import store
from tests.stack import RunningStack, until

#: Request bodies wait until released, so that events come in the middle of an upload.
HELD: Final = """XMLHttpRequest.prototype.send = (send => function (body) {
    if (!body || window.released) send.call(this, body)
})(XMLHttpRequest.prototype.send)"""
#: No answer comes.
CUT: Final = """XMLHttpRequest.prototype.send = (send => function (body) {
    if (window.mended) send.call(this, body)
    else queueMicrotask(() => this.dispatchEvent(new ProgressEvent('error')))
})(XMLHttpRequest.prototype.send);"""
#: The same, and the pause between two tries is short.
BROKEN: Final = f"""{CUT}
window.setTimeout = (wait => (act, time) => wait(act, Math.min(time, 20)))(window.setTimeout)"""
FILM: Final = ("film.bin", "application/octet-stream", "y" * 1_000_000)

#: Records the page's requests and events.
_ASKED: Final = """window.asked = []
window.fetch = (ask => (...request) => {
  asked.push(new URL(request[0], location).pathname)
  return ask(...request)
})(window.fetch)
window.tell = async (ids) => {
  const { src } = document.querySelector('script[type=module][src]')
  const { heard } = await import(src.replace('main.js', 'api/events.js'))
  for (const id of ids) for (const listener of heard) listener({ type: 'file_updated', subject_id: id })
}"""


def again(person: Person, stack: RunningStack, user: str) -> None:
    """Sign in again on the same page."""
    person.click("Sign out")
    person.fill("Access token", stack.token(user))
    person.click("Sign in", "main.door")
    person.wait("the shell is there", "document.querySelector('.shell')")


def names(http: httpx.Client) -> list[str]:
    return [file["filename"] for file in http.get("/api/v1/files").json()["files"]]


def test_it_goes_on_when_its_user_has_signed_in_again(
    person: Person, stack: RunningStack, user: str, http: httpx.Client
) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.js(HELD)
    person.drop(FILM)
    person.sees("0 B of 1 MB", ".job.sending")
    person.js("window.released = true")
    again(person, stack, user)
    person.sees("1 file uploaded", ".tray")
    assert names(http) == ["film.bin"]


def test_nothing_of_it_is_left_to_the_next_user(
    person: Person, stack: RunningStack, user: str, http: httpx.Client
) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.js(HELD)
    person.drop(FILM)
    person.sees("0 B of 1 MB", ".job.sending")
    again(person, stack, f"{user}-next")
    person.sees("Nothing here yet")
    person.js("window.released = true")
    assert person.js("document.querySelector('.tray')?.innerText ?? ''") == ""
    assert names(http) == []


def test_it_goes_on_when_the_connection_is_back(person: Person, user: str, http: httpx.Client) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.js(BROKEN)
    person.drop(("a.txt", "text/plain", "a"), ("b.txt", "text/plain", "b"))
    person.sees("2 uploads failed", ".tray")
    person.sees("be reached. Check the connection", ".job.failed")
    person.js("window.mended = true; window.dispatchEvent(new Event('online'))")
    person.sees("2 files uploaded", ".tray")
    until("both are stored", lambda: sorted(names(http)) == ["a.txt", "b.txt"])


def test_it_says_that_it_waits_for_the_connection(person: Person, user: str) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.js(CUT)
    person.drop(("a.txt", "text/plain", "a"))
    person.sees("No connection. Trying again", ".job.sending")
    person.js("window.mended = true")
    person.sees("1 file uploaded", ".tray")


def test_a_view_that_failed_is_there_when_the_connection_is_back(person: Person, user: str) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.js("""window.fetch = (ask => (...request) =>
      window.mended ? ask(...request) : Promise.reject(new TypeError('Failed to fetch')))(window.fetch)""")
    person.go("/trash")
    person.sees("Something went wrong", "main")
    person.js("window.mended = true; window.dispatchEvent(new Event('online'))")
    person.sees_not("Something went wrong", "main")


def test_news_of_many_files_are_one_list_and_not_one_request_each(
    person: Person, user: str, http: httpx.Client
) -> None:
    for number in range(7):
        store(http, f"{number}.txt", b"x", "text/plain")
    keys = [file["id"] for file in http.get("/api/v1/files").json()["files"]]
    person.sign_in(user)
    person.wait("all are shown", "document.querySelectorAll('.tile-name').length === 7")
    person.js(_ASKED)
    person.js(f"tell({keys[:2]})")
    person.wait(
        "each of two is asked for", "asked.filter(path => path.startsWith('/api/v1/files/')).length === 2"
    )
    person.js(f"asked.length = 0; tell({keys})")
    person.wait("the list is asked for", "asked.some(path => path === '/api/v1/files')")
    # Not one for each. Earlier events may still arrive, one by one.
    assert len([path for path in person.js("asked") if path.startswith("/api/v1/files/")]) < len(keys)
