"""A web page plays a stored file: ``<video src>`` seeks, in headless Chromium."""

from __future__ import annotations

import html
import urllib.request
from pathlib import Path
from typing import Final

import httpx

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.e2e.chromium import open_page
from tests.stack import until

SECONDS: Final = 40.0
SEEK_TO: Final = 30.0
_PAGE: Final = """<!doctype html><title>waiting</title><video preload="metadata" src="{url}"></video><script>
const video = document.querySelector("video");
video.onerror = () => document.title = "error " + video.error.code + " " + video.error.message;
video.onloadedmetadata = () => video.currentTime = {seek};
video.onseeked = () => document.title = "at " + video.currentTime + " of " + video.duration
  + " seekable to " + video.seekable.end(0);
</script>"""


def test_a_video_element_seeks(http: httpx.Client, tmp_path: Path) -> None:
    sound = samples.wav(SECONDS, 48_000)
    reply = http.post("/api/v1/s3/upload", files=upload(sound, "long.wav", "audio/wav"))
    url = reply.json()["url"]
    page = tmp_path / "page.html"
    page.write_text(_PAGE.format(url=html.escape(url), seek=SEEK_TO))
    expected = f"at {SEEK_TO:g} of {SECONDS:g} seekable to {SECONDS:g}"
    assert _title_of(page) == expected


def test_the_signed_url_answers_ranges_as_players_ask_for_them(http: httpx.Client) -> None:
    url = http.post("/api/v1/s3/upload", files=upload(samples.MP4, "a.mp4", "video/mp4")).json()["url"]
    request = urllib.request.Request(url, headers={"Range": "bytes=100-"})
    with urllib.request.urlopen(request) as part:
        assert (part.status, part.read()) == (206, samples.MP4[100:])
        assert part.headers["content-range"] == f"bytes 100-{len(samples.MP4) - 1}/{len(samples.MP4)}"


def _title_of(page: Path) -> str:
    """The page's title once its script has set it."""
    with open_page(page.as_uri()) as tab:
        return until("the page has an answer", lambda: _answer(str(tab.value("document.title"))))


def _answer(title: str) -> str:
    """Empty while the script waits."""
    return title if title.startswith(("at ", "error ")) else ""
