"""Pictures in full size one after the other, their placeholders, and moved files."""

from __future__ import annotations

import httpx

from tests.e2e import samples
from tests.e2e.console.person import Person
from tests.e2e.console.test_gallery import store
from tests.stack import until


def test_pictures_are_seen_in_full_size_by_keys(person: Person, user: str, http: httpx.Client) -> None:
    for number in range(3):
        store(http, f"{number}.png", samples.png(number, side=40), "image/png")
    store(http, "between.txt", b"no picture", "text/plain")
    until(
        "all pictures were read",
        lambda: sum("thumbhash" in one for one in http.get("/api/v1/files").json()["files"]) == 3,
    )
    person.sign_in(user)
    person.click("2.png", "main")
    person.sees("40 \N{MULTIPLICATION SIGN} 40 pixels", ".details")
    person.wait("its place is kept", "document.querySelector('.details img').getAttribute('width') === '40'")
    person.click("View in full size", ".details")
    person.sees("2.png", "dialog.viewer")
    person.wait("nothing comes before it", "document.querySelector('.viewer-back').disabled")
    way = (("ArrowRight", "1.png"), ("ArrowRight", "0.png"), ("ArrowRight", "0.png"), ("ArrowLeft", "1.png"))
    for key, name in way:
        person.press(key)
        person.sees(name, "dialog.viewer")
        shown = "document.querySelector('.viewer-shown img')"
        person.wait("the picture is there", f"{shown}?.alt === '{name}' && {shown}.naturalWidth === 40")
    person.press("Escape")
    person.wait("the viewer is closed", "!document.querySelector('dialog.viewer')")
    person.sees("1.png", ".details h2")


def test_a_picture_is_stood_in_for_until_it_is_there(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "slow.png", samples.png(7, side=40), "image/png")
    until("it was read", lambda: "thumbhash" in http.get("/api/v1/files").json()["files"][0])
    person.page.call("Fetch.enable", patterns=[{"urlPattern": "*/l/*"}])  # delayed, as on a slow connection
    try:
        person.sign_in(user)
        person.wait("its colours are drawn", "document.querySelector('.thumb canvas.placeholder')?.width > 8")
        colour = person.js(
            "[...document.querySelector('.thumb canvas').getContext('2d').getImageData(9, 9, 1, 1).data]"
        )
        assert abs(colour[0] - 7) + colour[1] + abs(colour[2] - 128) < 60
        assert colour[3] == 255
    finally:
        person.page.call("Fetch.disable")
    person.wait("the picture is there", "document.querySelector('.thumb img.there')")
    person.wait("nothing stands in for it", "!document.querySelector('.thumb canvas')")


def test_a_file_is_moved_and_copied(person: Person, user: str, http: httpx.Client) -> None:
    store(http, "plan.txt", b"plan", "text/plain")
    person.sign_in(user)
    person.click("plan.txt", "main")
    person.click("Move or copy", ".details")
    person.fill("Destination", "plans/old/")
    person.click("Apply", "dialog")
    person.sees("Moved to plans/old/plan.txt.")
    (moved,) = http.get("/api/v1/files").json()["files"]
    assert moved["key"] == f"paths/{user}/plans/old/plan.txt"
    person.click("Move or copy", ".details")
    person.fill("Action", "copy")
    person.fill("Destination", "plans/new.txt")
    person.click("Apply", "dialog")
    person.sees("Copied to plans/new.txt.")
    keys = sorted(one["key"] for one in http.get("/api/v1/files").json()["files"])
    assert keys == [f"paths/{user}/plans/new.txt", f"paths/{user}/plans/old/plan.txt"]
