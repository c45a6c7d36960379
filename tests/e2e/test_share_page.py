"""The page for guests in headless Chromium: its policy and its cookie allow what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings, upload
from tests.e2e.chromium import Page, open_page
from tests.e2e.test_notifications import over_sse, until_seen
from tests.stack import RunningStack, until

_SHOWN: Final = """JSON.stringify({
  title: document.title,
  pictures: [...document.images].map(image => image.naturalWidth),
  sounds: [...document.querySelectorAll("video, audio")].length,
  styled: getComputedStyle(document.querySelector(".deed, .card")).borderRadius,
  wide: document.documentElement.scrollWidth <= innerWidth,
  unlabelled: [...document.querySelectorAll("input, img, video, audio, a")].filter(element =>
    !(element.labels?.length || element.alt || element.ariaLabel || element.textContent.trim()
      || element.querySelector("img[alt]"))).length,
  headings: [...document.querySelectorAll("h1")].length,
  language: document.documentElement.lang,
})"""


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


def make(owner: Belongings, **body: Any) -> str:
    """The URL of a new share."""
    reply = owner.http.post("/api/v1/shares", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["url"])


def shown(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.value(_SHOWN))
    return found


def is_complete(page: Page, title: str) -> bool:
    return bool(
        page.value(
            f"document.title === {json.dumps(title)} && document.readyState === 'complete'"
            " && [...document.images].every(image => image.complete)"
        )
    )


def test_a_guest_opens_and_looks(owner: Belongings, tmp_path: Path) -> None:
    media = f"/api/v1/events/{owner.event_id}/media"
    for name, body, kind in (
        ("a picture.png", samples.png(), "image/png"),
        ("song.wav", samples.wav(1.0, 8_000), "audio/wav"),
        ("x" * 180 + ".pdf", b"%PDF-1.7\n%%EOF\n", "application/pdf"),
    ):
        assert owner.http.post(media, files=upload(body, name, kind)).status_code == 201
    url = make(owner, event_id=owner.event_id, title="Party", password="open sesame", max_uses=2)
    with open_page(url) as page:
        until("the door is there", lambda: is_complete(page, "Shared with you"))
        until("one may type", lambda: page.value("document.activeElement.id") == "password")
        page.value("document.querySelector('#password').value = 'wrong'; document.forms[0].submit()")
        until("it is refused", lambda: page.value("document.querySelector('[role=alert]')?.textContent"))
        page.value("document.querySelector('#password').value = 'open sesame'; document.forms[0].submit()")
        until("it is open", lambda: is_complete(page, "Party"))
        assert shown(page) == {
            "title": "Party",
            "pictures": [8],
            "sounds": 1,
            "styled": "8px",
            "wide": True,
            "unlabelled": 0,
            "headings": 1,
            "language": "en",
        }
        assert page.value("document.cookie") == ""  # inaccessible to scripts
        page.call(
            "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
        )
        assert shown(page)["wide"]  # nothing is cut off on a phone
        page.call("Page.reload")
        until("it is still open", lambda: is_complete(page, "Party"))
    assert owner.http.get("/api/v1/shares").json()["shares"][0]["uses"] == 1


def test_a_guest_sends_files(owner: Belongings, tmp_path: Path) -> None:
    picture = tmp_path / "<b>cat.png"
    picture.write_bytes(samples.png())
    url = make(owner, drop={"event_id": owner.event_id, "content_types": ["image/*"]}, title="Send")
    with open_page(url) as page:
        until("the form is there", lambda: is_complete(page, "Send"))
        assert shown(page)["unlabelled"] == 0
        page.choose_file("#file", picture)
        page.value("document.forms[0].submit()")
        until("it is sent", lambda: is_complete(page, "Sent"))
        told = page.value("document.querySelector('.files').textContent")
    assert "cat.png" in told
    assert f"{len(samples.png())} B" in told
    (medium,) = owner.http.get(f"/api/v1/events/{owner.event_id}/media").json()["items"]
    assert medium["file_size"] == len(samples.png())


def test_the_owner_hears_of_what_came(stack: RunningStack, owner: Belongings) -> None:
    url = make(owner, drop={"folder": "uploads"})
    with over_sse(stack, owner.name) as events, httpx.Client(trust_env=False, timeout=60) as guest:
        sent = guest.post(f"{url}/files", files=upload(b"hello", "a.txt", "text/plain"))
        assert sent.status_code == 201
        seen = until_seen(events, "file_ready")
    assert seen[-1]["data"]["size_bytes"] == len(b"hello")
