"""Pages that store links: a year later they still work, revoked ones don't, cached ones are not fetched
twice.

In headless Chromium, with two replicas, one of which redirects to the store.
"""

from __future__ import annotations

import html
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e import samples
from tests.e2e.belongings import Belongings
from tests.e2e.chromium import Page, open_page
from tests.e2e.pages import Pages
from tests.e2e.replicas import replica
from tests.e2e.shapes import check_problem
from tests.e2e.strangers import stranger
from tests.stack import RunningStack, until

YEAR: Final = 366 * 86_400.0
_PAGE: Final = """<!doctype html><title>stored</title><body>{elements}<script>
const shown = element => element.naturalWidth > 0 || element.readyState > 0;
const failed = element => element.complete && !element.naturalWidth || element.error;
window.look = () => {{
  const all = [...document.querySelectorAll("img, video, audio")];
  return all.every(element => shown(element) || failed(element))
    ? all.map(element => shown(element) ? "shown" : "broken").join(" ") : "";
}};
</script>"""


@pytest.fixture
def owner(http: httpx.Client, user: str) -> Belongings:
    return Belongings(user, http)


@pytest.fixture(scope="module")
def later(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A replica for which a year has passed, and which redirects."""
    folder = tmp_path_factory.mktemp("replica")
    with replica(stack, folder, {"STRONGROOM_LINK_MODE": "redirect"}, links_ahead=YEAR) as url:
        yield url


@pytest.fixture(scope="module")
def visitor() -> Iterator[httpx.Client]:
    with stranger() as client:
        yield client


def stored(owner: Belongings) -> dict[str, str]:
    """Links stored by a page: to a generation, an event's picture and its recording."""
    media = f"/api/v1/events/{owner.event_id}/media"
    kind = ("song.wav", samples.wav(1.0, 8_000), "audio/wav")
    sound = owner.http.post(media, files={"file": kind})
    assert sound.status_code == 201, sound.text
    return {
        "generation": owner.generation["s3_url"],
        "medium": owner.medium["file_url"],
        "sound": sound.json()["file_url"],
    }


def at(base: str, url: str) -> str:
    """The same link at another replica; behind one address both URLs are equal."""
    return f"{base}{urlsplit(url).path}"


def write_page(pages: Pages, urls: dict[str, str]) -> str:
    """Write a page that shows them. Returns its address."""
    elements = "".join(
        f'<video src="{html.escape(url)}" preload="metadata"></video>'
        if name == "sound"
        else f'<img src="{html.escape(url)}">'
        for name, url in urls.items()
    )
    name = f"{uuid.uuid4().hex}.html"
    (pages.folder / name).write_text(_PAGE.format(elements=elements))
    return f"{pages.origin}/{name}"


def looked(page: Page) -> str:
    return str(until("everything has loaded or failed", lambda: page.value("window.look && window.look()")))


def fetched(stack: RunningStack) -> int:
    """The number of link requests that the gateway has answered."""
    return stack.log("gateway").count('"route":"/l/{token}/{name}"')


def test_a_year_later_they_show_through_the_store(
    owner: Belongings, later: str, visitor: httpx.Client, pages: Pages, tmp_path: Path
) -> None:
    urls = {name: at(later, url) for name, url in stored(owner).items()}
    led = visitor.get(urls["generation"])
    assert led.status_code == 302
    assert led.headers["cache-control"].startswith("private, max-age=")
    assert visitor.get(led.headers["location"]).content == samples.png()
    assert visitor.get(urls["generation"]).headers["location"] == led.headers["location"]  # rounded
    assert visitor.head(urls["generation"]).status_code == 200
    with open_page(write_page(pages, urls)) as page:
        assert looked(page) == "shown shown shown"
    hour = at(later, owner.file["url"])  # a plain file's link ends after its family's time
    check_problem(visitor.get(hour), 404, "FILE_NOT_FOUND")


def test_cached_ones_are_not_fetched_twice(
    stack: RunningStack, owner: Belongings, pages: Pages, tmp_path: Path
) -> None:
    urls = stored(owner)
    pictures = {name: url for name, url in urls.items() if name != "sound"}
    address, before = write_page(pages, pictures), fetched(stack)
    with open_page(address) as page:
        assert looked(page) == "shown shown"
        assert until("both are logged", lambda: fetched(stack) >= before + 2)
        assert stored(owner)["medium"] == urls["medium"]  # listed again, it is the same
        page.call("Page.navigate", url=write_page(pages, pictures))
        until("the other page is there", lambda: page.value("location.href") != address)
        assert looked(page) == "shown shown"
    assert fetched(stack) == before + 2


def test_revoked_is_gone_on_every_replica_at_once(
    owner: Belongings, later: str, visitor: httpx.Client, pages: Pages, tmp_path: Path
) -> None:
    urls = stored(owner)
    everywhere = [*urls.values(), *(at(later, url) for url in urls.values())]
    assert all(visitor.get(url).status_code in {200, 302} for url in everywhere)
    share = owner.http.post("/api/v1/shares", json={"event_id": owner.event_id}).json()
    shares = [share["url"], at(later, share["url"])]
    assert all(visitor.get(url).status_code == 200 for url in shares)
    body: dict[str, Any] = {"all": True}
    assert owner.http.post("/api/v1/links/revoke", json=body).status_code == 200
    assert owner.http.delete(f"/api/v1/shares/{share['id']}").status_code == 200
    began = time.monotonic()
    for url in everywhere:
        check_problem(visitor.get(url), 404, "FILE_NOT_FOUND")
    for url in shares:
        check_problem(visitor.get(url), 410, "SHARE_ENDED")
    waited = time.monotonic() - began
    with open_page(write_page(pages, urls)) as page:
        assert looked(page) == "broken broken broken"
    assert waited < 30  # the first answer after the commit refuses; there is no delay
