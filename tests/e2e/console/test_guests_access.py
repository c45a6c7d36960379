"""Axe-core on the pages of shares and drops: guests can't choose another page."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings, upload
from tests.e2e.console.person import Person
from tests.e2e.console.test_access import axe, look

__all__ = ["axe"]


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    found = Belongings(user, http)
    for name, body, kind in (
        ("cat.png", samples.png(), "image/png"),
        ("song.wav", samples.wav(0.1), "audio/wav"),
        ("x" * 180 + ".pdf", b"%PDF-1.7\n%%EOF\n", "application/pdf"),
    ):
        path = f"/api/v1/events/{found.event_id}/media"
        assert http.post(path, files=upload(body, name, kind)).status_code == 201
    return found


def make(owner: Belongings, **body: Any) -> str:
    """The URL of a new share."""
    reply = owner.http.post("/api/v1/shares", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["url"])


def send(person: Person, selector: str, value: str, then: str) -> None:
    """Fill the only field of a guest's form, and wait for the page that answers."""
    person.js(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")
    person.js("document.forms[0].submit()")
    person.sees(then)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_axe_finds_nothing_serious_on_the_pages_of_guests(
    person: Person, owner: Belongings, width: int, dark: bool, axe: str
) -> None:
    found: dict[str, list[str]] = {}

    def note(page: str) -> None:
        found[page] = look(person, axe)
        if person.js("document.documentElement.scrollWidth > innerWidth"):
            found[page].append("wider than the window")

    person.size(width, 800, dark=dark)
    person.open(make(owner, event_id=owner.event_id, title="Party", password="open sesame"))
    note("the door")
    send(person, "#password", "wrong", "password")
    person.wait("it is refused", "document.querySelector('[role=alert]')")
    note("a wrong password")
    send(person, "#password", "open sesame", "Party")
    note("a share")
    person.open(make(owner, prefix="nothing/", title=""))
    note("nothing shared")
    drop = make(owner, drop={"folder": "uploads", "content_types": ["image/*"]}, title="Send")
    person.open(drop)
    note("a drop")
    person.js("""(() => {
      const sent = new DataTransfer()
      sent.items.add(new File(['<svg'], 'no picture.txt', {type: 'text/plain'}))
      document.querySelector('#file').files = sent.files
      document.forms[0].submit()
    })()""")
    person.sees("no picture.txt")
    note("what was refused")
    person.open(f"{drop}x")
    note("no share")
    assert [page for page, bad in found.items() if bad] == [], found
    assert len(found) == 7
