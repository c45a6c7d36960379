"""Webhooks created and managed at the console."""

from __future__ import annotations

import uuid

import httpx

from tests.e2e.console.person import Person
from tests.e2e.console.test_gallery import store
from tests.integration.importing.origin import Origin, answer

#: The first answer to a GET of webhooks waits for `release()`; `drawn` is set two frames after it was read.
_HELD = """
const original = window.fetch
const released = new Promise((resolve) => { window.release = resolve })
window.fetch = async (url, options) => {
  const held = !window.asked && String(url).includes('/api/webhooks') && (options?.method ?? 'GET') === 'GET'
  if (!held) return original(url, options)
  window.asked = true
  const given = await original(url, options)
  await released
  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = true })), 100)
  return given
}
"""


def make(person: Person, url: str) -> str:
    """Create one through the form. Returns the secret that it shows."""
    person.click("New webhook", "main")
    person.fill("Address", url)
    person.fill("Description", "The gallery")
    person.click("Create", "dialog")
    person.sees("Copy it now", "dialog")
    secret: str = person.js("document.querySelector('dialog input').value")
    person.click("Done", "dialog")
    return secret


def test_a_webhook_is_made_tried_paused_and_removed(
    person: Person, user: str, http: httpx.Client, origin: Origin
) -> None:
    url = origin.script(uuid.uuid4().hex, answer(b"", status=200), answer(b"", status=500))
    person.sign_in(user, "/webhooks")
    person.sees("No webhooks yet", "main")
    first = make(person, url)
    assert first.startswith("whsec_")
    person.click("The gallery", "main")
    person.sees("No deliveries yet", "main")
    person.click("Send a test", "main")
    person.sees("A test", ".lines")
    person.sees("Delivered", ".lines .badge")
    store(http, "news.txt", b"x", "text/plain")
    person.wait("the file's delivery is shown", _reloading("news.txt was stored"))
    person.wait("its failure is told", _reloading("the target answers 500"))
    person.click("Pause", "main")
    person.sees("The webhook is paused", "body")
    person.click("Resume", "main")
    person.sees("The webhook is active again", "body")
    person.click("New secret", "main")
    person.click("Create", "dialog")
    person.sees("Copy it now", "dialog")
    assert person.js("document.querySelector('dialog input').value") != first
    person.click("Done", "dialog")
    person.click("Delete", "main")
    person.click("Delete", "dialog")
    person.sees("No webhooks yet", "main")
    assert http.get("/api/webhooks").json()["webhooks"] == []


def test_operators_hear_of_everybody_and_others_do_not(person: Person, user: str, origin: Origin) -> None:
    person.sign_in(user, "/all-webhooks")
    person.sees("There is nothing here")
    person.sign_in(user, "/all-webhooks", roles=["admin"])
    person.sees("Webhooks for all users", "main")
    make(person, origin.script(uuid.uuid4().hex, answer(b"", status=200)))
    person.click("The gallery", "main")
    person.click("Delete", "main")
    person.click("Delete", "dialog")
    person.sees_not("The gallery", "main")


def test_what_is_made_while_the_list_is_on_its_way_stays_in_it(
    person: Person, user: str, origin: Origin
) -> None:
    """The list was requested before, and its answer comes after."""
    person.sign_in(user, "/shares")
    person.sees("Shares", "main h1")
    person.js(_HELD)
    person.go("/webhooks")
    person.wait("the list is asked for", "window.asked")
    make(person, origin.script(uuid.uuid4().hex, answer(b"", status=200)))
    person.js("release()")
    person.wait("the answer is read and drawn", "window.drawn")
    person.sees("The gallery", "main")


def test_a_refused_address_is_told_in_words(person: Person, user: str) -> None:
    person.sign_in(user, "/webhooks")
    person.click("New webhook", "main")
    person.fill("Address", "http://169.254.169.254/latest")
    person.click("Create", "dialog")
    person.wait("why is told", "document.querySelector('dialog [role=alert]')?.innerText.length > 10")


def _reloading(text: str) -> str:
    """True once it is shown; otherwise reloads the list, like a person who waits."""
    other = "document.querySelector('.segmented button[aria-pressed=false]')"
    return f"eyes.shows({text!r}, 'main') || ({other}.click(), false)"
