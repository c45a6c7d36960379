"""Signing in, looking around, searching, uploading."""

from __future__ import annotations

import json
import time

import httpx

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.chromium import Browser
from tests.e2e.conftest import Login
from tests.e2e.console.person import Person
from tests.stack import RunningStack, until

EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"


def store(http: httpx.Client, name: str, body: bytes, kind: str) -> str:
    """The key of a plain file."""
    answer = http.post("/api/v1/s3/upload", files=upload(body, name, kind))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def lists(person: Person, names: list[str]) -> None:
    """Wait until the list shows exactly these, in this order."""
    shown = "JSON.stringify([...document.querySelectorAll('.tile-name')].map(one => one.innerText))"
    until(f"{names} are listed", lambda: json.loads(person.js(shown) or "[]") == names)


def test_the_link_of_make_up_signs_in(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "cat.png", samples.png(), "image/png")
    before = person.js("history.length")  # of a tab that others may have used
    person.sign_in(user)
    person.sees("cat.png", "main")
    assert person.js("location.hash") == "#/files"
    assert person.js("history.length") <= before + 2
    person.wait("the picture is drawn", "document.querySelector('.thumb img.there')?.naturalWidth === 8")
    person.click("Sign out")
    person.sees("Access token")
    assert person.js("sessionStorage.length") == 0


def test_a_token_is_typed_in(person: Person, stack: RunningStack, user: str) -> None:
    person.open(f"{stack.url}/")
    assert person.js("location.pathname") == "/console"
    for wrong, words in (
        ("", "Paste a token first."),
        ("nonsense", "This is not a token"),
        (stack.token(user, exp=1), "This token has expired."),
        (stack.token(user)[:-4] + "AAAA", "The token was refused"),
    ):
        person.fill("Access token", wrong)
        person.click("Sign in")
        person.sees(words)
    person.fill("Access token", f"Bearer {stack.token(user)}")
    person.click("Sign in")
    person.sees("Nothing here yet")
    person.page.call("Page.reload")
    person.sees("Nothing here yet")  # a reload keeps the user signed in
    person.sees(user, ".who")


def test_a_sign_in_that_ends_is_told(person: Person, stack: RunningStack, user: str) -> None:
    person.sign_in(user, exp=int(time.time()) + 60)
    person.sees("Your session expires in less than a minute")
    person.js("for (const name of Object.keys(sessionStorage)) sessionStorage[name] += 'broken'")
    person.page.call("Page.reload")  # as if the service no longer accepted the token
    person.sees("Your session has expired")


def test_nobody_sees_what_is_somebody_elses(
    person: Person, browser: Browser, stack: RunningStack, user: str, login: Login
) -> None:
    other = f"{user}-other"
    store(login(user), "mine.txt", b"mine", "text/plain")
    store(login(other), "theirs.txt", b"theirs", "text/plain")
    person.sign_in(user)
    person.sees("mine.txt", "main")
    with browser.tab() as page:
        second = Person(page, stack)
        second.sign_in(other)
        second.sees("theirs.txt", "main")
        lists(second, ["theirs.txt"])
        # Changes of one user are seen by that user at once, and not by the other.
        store(login(other), "more.txt", b"more", "text/plain")
        second.sees("more.txt", "main")
        assert second.trouble() == []
    lists(person, ["mine.txt"])


def test_families_search_and_filters(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "report.pdf", b"%PDF-1.7\n%%EOF\n", "application/pdf")
    media = {"title": "First dance", "tags": "party"}
    for path, fields, file in (
        (f"/api/v1/events/{EVENT}/media", media, upload(samples.png(1), "a.png", "image/png")),
        (
            "/api/generations/upload",
            {"type": "text-to-image", "prompt": "a red fox"},
            upload(samples.png(2), "b.png", "image/png"),
        ),
    ):
        assert http.post(path, data=fields, files=file).status_code == 201
    person.sign_in(user)
    person.sees("report.pdf", "main")
    lists(person, ["a red fox", "First dance", "report.pdf"])
    person.click("Generations", "nav")
    person.sees_not("report.pdf", "main")
    lists(person, ["a red fox"])
    person.click("All files", "nav")
    person.fill("Search files", "dance")
    person.sees("Results for “dance”", "main")
    person.sees_not("a red fox", "main")
    lists(person, ["First dance"])
    person.fill("Search files", "no such thing")
    person.sees("Nothing matches")
    person.click("Clear search and filters")
    person.fill("Type", "application/pdf")
    person.sees_not("a red fox", "main")
    lists(person, ["report.pdf"])
    person.click("As a list")
    person.sees("15 B", ".row")
    person.click("As pictures")


def test_files_that_are_dropped_are_stored(person: Person, user: str, http: httpx.Client) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    person.drop(("notes.txt", "text/plain", "hello"), ("empty.txt", "text/plain", ""))
    person.sees("2 files uploaded", ".tray")
    person.sees("notes.txt", "main")
    person.sees("empty.txt", "main")
    listed = until("both are stored", lambda: http.get("/api/v1/files").json()["files"])
    assert {(file["filename"], file["size"]) for file in listed} == {("notes.txt", 5), ("empty.txt", 0)}
    person.sees("2 files", ".usage")
    person.click("Clear what is done")
    person.wait("the tray is gone", "!document.querySelector('.tray')")


def test_a_folder_of_files_goes_to_its_path(person: Person, user: str, http: httpx.Client) -> None:
    person.sign_in(user)
    person.click("Upload", "header")
    person.fill("Destination", "path")
    person.fill("Folder", "reports/2026")
    person.js("""(() => {
      const transfer = new DataTransfer()
      transfer.items.add(new File(['q'], 'q1.csv', { type: 'text/csv' }))
      const input = document.querySelector('dialog input[type=file]')
      input.files = transfer.files
      input.dispatchEvent(new Event('change', { bubbles: true }))
    })()""")
    person.click("Upload 1 file")
    person.sees("1 file uploaded", ".tray")
    (file,) = http.get("/api/v1/files").json()["files"]
    assert file["key"].endswith("/reports/2026/q1.csv")
    person.go(f"/folder/{file['key'].rpartition('/')[0].replace('/', '%2F')}%2F")
    person.sees("q1.csv", "main")
    person.drop(("q2.csv", "text/csv", "w"))  # in an open folder, the file goes there
    person.sees("q2.csv", "main")
    assert {one["key"].rpartition("/")[2] for one in http.get("/api/v1/files").json()["files"]} == {
        "q1.csv",
        "q2.csv",
    }


def test_a_refusal_is_told_in_words(person: Person, user: str) -> None:
    person.sign_in(user)
    person.drop(("page.png", "image/png", "<!doctype html><script>alert(1)</script>"))
    person.sees("1 upload failed", ".tray")
    person.wait("why", "document.querySelector('.job.failed .job-told').innerText.length > 20")
    person.click("Cancel page.png")


def test_an_upload_is_paused_and_goes_on(person: Person, user: str, http: httpx.Client) -> None:
    person.sign_in(user)
    person.sees("Nothing here yet")
    # Request bodies wait until released, so that the pause comes in the middle on any machine.
    person.js("""XMLHttpRequest.prototype.send = (send => function (body) {
        if (!body || window.released) send.call(this, body)
    })(XMLHttpRequest.prototype.send)""")
    person.drop(("film.bin", "application/octet-stream", "y" * 1_000_000))
    person.sees("0 B of 1 MB", ".job.sending")
    person.click("Pause film.bin")
    person.sees("paused", ".job")
    assert http.get("/api/v1/files").json()["files"] == []
    person.js("window.released = true")
    person.click("Resume film.bin")
    person.sees("1 file uploaded", ".tray")
    (file,) = http.get("/api/v1/files").json()["files"]
    assert file["size"] == 1_000_000
