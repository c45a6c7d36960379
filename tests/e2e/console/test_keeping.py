"""Details, edits, shares, the trash, projects, activity."""

from __future__ import annotations

import httpx

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.console.person import Person
from tests.e2e.console.test_gallery import EVENT, lists, store
from tests.stack import until


def open_file(person: Person, user: str, name: str) -> None:
    person.sign_in(user)
    person.click(name, "main")
    person.sees("History", ".details")


def test_details_show_what_is_known(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "notes.md", b"# Notes\n", "text/markdown")
    open_file(person, user, "notes.md")
    person.sees("# Notes", ".details pre")
    for fact in ("text/markdown", "8 B", "Private", "Stored"):
        person.sees(fact, ".details")
    person.wait("the heading has the focus", "document.activeElement.innerText === 'notes.md'")
    person.press("Escape")
    person.wait("the details are closed", "!document.querySelector('.details')")


def test_a_file_is_edited_and_edits_do_not_run_over(person: Person, user: str, http: httpx.Client) -> None:
    fields = {"title": "Cake", "tags": "party"}
    made = http.post(
        f"/api/v1/events/{EVENT}/media", data=fields, files=upload(samples.png(), "a.png", "image/png")
    ).json()
    open_file(person, user, "Cake")
    person.click("Edit", ".details")
    person.fill("Title", "The cake")
    person.fill("Tags, separated by commas", "party, sweet")
    person.fill("Name", "cake.png")
    person.click("Save")
    person.sees("sweet", ".details")
    person.sees("The cake", ".tile")
    file = http.get(f"/api/v1/files/{made['id']}").json()
    assert (file["title"], file["filename"], file["tags"]) == ("The cake", "cake.png", ["party", "sweet"])
    person.click("Edit", ".details")
    person.fill("Title", "Mine")
    changed = http.patch(f"/api/v1/files/{made['id']}", json={"tags": ["theirs"]})
    assert changed.status_code == 200, changed.text
    person.sees("theirs", ".details")
    person.click("Save")
    person.sees("Somebody else has changed this meanwhile", "dialog")
    person.click("Cancel")
    assert http.get(f"/api/v1/files/{made['id']}").json()["tags"] == ["theirs"]


def test_a_file_is_shared_and_the_share_revoked(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "plan.txt", b"secret plan", "text/plain")
    open_file(person, user, "plan.txt")
    person.click("Share", ".details")
    person.fill("Title for guests", "The plan")
    person.fill("Maximum uses", "3")
    person.click("Create link")
    person.sees("Copy it now")
    url = person.js("document.querySelector('dialog input').value")
    assert httpx.get(url, trust_env=False, headers={"accept": "application/json"}).status_code in {200, 403}
    person.click("Done", "dialog")
    person.click("Shares", "nav")
    person.sees("The plan", "main")
    person.sees("0 openings of 3", "main")
    person.click("Revoke", "main")
    person.click("Revoke", "dialog")
    person.sees("Revoked", "main")
    assert httpx.get(url, trust_env=False, headers={"accept": "application/json"}).status_code == 410
    person.click("New share")
    person.fill("What", "drop")
    person.fill("My folder", "from-guests")
    person.click("Create link")
    person.sees("Link for your guests")
    person.click("Done", "dialog")
    person.sees("Drop into from-guests", "main")


def test_links_are_revoked(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "a.txt", b"a", "text/plain")
    (file,) = http.get("/api/v1/files").json()["files"]
    assert http.get(file["url"]).status_code == 200
    open_file(person, user, "a.txt")
    person.click("Revoke all links", ".details")
    person.click("Revoke", "dialog")
    person.sees("All links to this file have been revoked.")
    assert http.get(file["url"]).status_code == 404


def test_into_the_trash_and_back_and_gone(person: Person, user: str, http: httpx.Client) -> None:
    for name in ("one.txt", "two.txt", "three.txt"):
        store(http, name, b"x", "text/plain")
    person.sign_in(user)
    for name in ("one.txt", "two.txt"):
        person.click(f"Choose {name}", "main")
    person.sees("2 files chosen")
    person.click("Move to trash", "main")
    person.sees("2 files moved to the trash.")
    lists(person, ["three.txt"])
    person.click("Undo")
    lists(person, ["three.txt", "two.txt", "one.txt"])
    person.click("three.txt", "main")
    person.click("Trash", ".details")
    lists(person, ["two.txt", "one.txt"])
    person.click("Trash", "nav")
    person.sees("three.txt", "main")
    person.click("Restore three.txt", "main")
    person.sees("The trash is empty")
    assert len(http.get("/api/v1/files").json()["files"]) == 3
    key = http.get("/api/v1/files").json()["files"][0]["key"]
    http.delete(f"/api/v1/files/{key}", params={"soft": "true"})
    person.sees("Empty trash", "main")  # the event arrived
    person.click("Empty trash", "main")
    person.click("Delete for good", "dialog")
    person.sees("The trash is empty")
    assert http.get("/api/v1/trash").json()["files"] == []


def save(http: httpx.Client, files: dict[str, str]) -> None:
    tree = [{"path": path, "content": content} for path, content in files.items()]
    body = {"name": "Site", "slug": "site", "files": tree}
    assert http.post("/api/projects/save", json=body).status_code == 200


def test_a_project_its_versions_and_the_way_back(person: Person, user: str, http: httpx.Client) -> None:
    save(http, {"index.html": "<h1>One</h1>\n", "src/app.js": "let a = 1\n"})
    save(http, {"index.html": "<h1>Two</h1>\n", "src/new.js": "let b = 2\n"})
    person.sign_in(user, "/projects")
    person.click("Site", "main")
    person.sees("Version 2", ".versions")
    person.sees("new.js", ".tree")
    person.click("index.html", ".tree")
    person.sees("<h1>Two</h1>", ".project-file")
    person.click("Compare version 2 with version 1", ".versions")
    person.sees("3 files differ", "main")
    for word, path in (("Changed", "index.html"), ("Removed", "src/app.js"), ("New", "src/new.js")):
        person.sees(f"{word} {path}", ".differences")
    person.click("Changed index.html", "main")
    person.sees("<h1>One</h1>", ".diff tr.minus")
    person.sees("<h1>Two</h1>", ".diff tr.plus")
    person.click("Version 1", ".versions")
    person.sees("app.js", ".tree")
    person.click("Roll back to this version", "main")
    person.click("Roll back", "dialog")
    person.sees("Version 1 was restored as version 3.")
    person.sees("Back to version 1", ".versions")
    versions = http.get("/api/projects/site/versions").json()["versions"]
    assert versions[0]["rolled_back_to"] == 1
    person.js("window.showSaveFilePicker = undefined")
    person.js("URL.createObjectURL = blob => (window.saved = blob.size, 'blob:none')")
    person.click("ZIP", "main")
    until("a ZIP is saved", lambda: person.js("window.saved > 100"))
    person.click("Preview", "main")
    person.wait(
        "the preview is framed", "document.querySelector('iframe.frame')?.src.includes('/api/preview/')"
    )
    person.click("Close", "dialog")
    person.click("Delete", "main")
    person.click("Delete for good", "dialog")
    person.sees("No projects yet")


def test_what_happens_is_told(person: Person, user: str, http: httpx.Client) -> None:
    person.sign_in(user, "/activity")
    person.sees("Quiet so far")
    person.sees("Live", ".who")
    store(http, "fresh.txt", b"x", "text/plain")
    person.sees("fresh.txt was stored", "main")
    save(http, {"a.txt": "a"})
    person.sees("Site was saved as version 1", "main")


def test_an_operator_looks_and_sets(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "a.txt", b"x", "text/plain")
    person.sign_in(user)
    person.sees("All files", "nav")
    assert "Health" not in person.js("document.querySelector('nav').innerText")
    person.go("/quotas")
    person.sees("There is nothing here")
    assert http.get("/api/admin/usage").status_code == 403
    person.sign_in(user, "/health", roles=["admin"])
    person.sees("Postgres", "main")
    person.sees("All healthy", "main")
    person.click("Users and quotas", "nav")
    person.click(f"Set limits of {user}", "main")
    person.fill("Files", "7")
    person.click("Set", "dialog")
    person.sees("1 of 7", "main")
    assert http.get("/api/v1/usage").json()["limit_files"] == 7
    person.click("Verification", "nav")
    person.click("Verify now", "main")
    person.click("Start", "dialog")
    person.wait(
        "it has ended",
        "document.querySelector('.line-text strong')?.innerText.match(/No differences|finding/)",
    )
    person.sees("Signed report", "main")


def test_how_long_a_file_stays(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "exe\N{RIGHT-TO-LEFT OVERRIDE}gnp.txt", b"case", "text/plain")
    open_file(person, user, "exe\N{REPLACEMENT CHARACTER}gnp.txt")
    person.click("Keep", ".details")
    person.fill("Keep until", "2099-01-02T03:04")
    person.click("Legal hold: protected until the hold is lifted", "dialog")
    person.fill("Reason for the hold", "case 17")
    person.click("Save")
    person.sees("case 17, since", ".details")
    person.sees("On hold", ".tile")
    (file,) = http.get("/api/v1/files").json()["files"]
    assert file["keep_until"].startswith("2099-01-0")
    person.click("Trash", ".details")
    person.sees("This is on legal hold")
    person.click("Keep", ".details")
    person.click("Legal hold: protected until the hold is lifted", "dialog")
    person.click("Save")
    person.sees("Kept", ".tile")
    person.sees_not("case 17, since", ".details")
    person.click("Trash", ".details")
    person.sees("This is kept until")
    person.click("Usage and costs", "nav")
    person.sees("STANDARD", "main")
